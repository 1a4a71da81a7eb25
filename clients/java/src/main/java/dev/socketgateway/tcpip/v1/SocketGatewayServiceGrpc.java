package dev.socketgateway.tcpip.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * SocketGatewayService opens, uses and closes sockets.
 * Every live socket is a session with an id. A subscriber is a named receiver with two outputs, events and data; callers name
 * it in each RPC (empty: "default"), and Subscribe or Attach attaches a stream to it. The subscriber that opened a session gets
 * its lifecycle events for good; its inbound data goes to whoever holds the data claim: the opener first, then whoever sent last.
 * Where the gateway asks who calls, every caller has a namespace, and sessions, listeners, subscribers and request ids are its own:
 * those of another namespace do not exist for it, and two namespaces may use the same ids and names without noticing each other.
 * An RPC that fails answers a gRPC status with google.rpc.ErrorInfo in its details (reason: an ErrorReason without its prefix)
 * and, for bad fields, google.rpc.BadRequest. The same error goes to the named subscriber's events output.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class SocketGatewayServiceGrpc {

  private SocketGatewayServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "tcpip.v1.SocketGatewayService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpConnectRequest,
      dev.socketgateway.tcpip.v1.TcpConnectResponse> getTcpConnectMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TcpConnect",
      requestType = dev.socketgateway.tcpip.v1.TcpConnectRequest.class,
      responseType = dev.socketgateway.tcpip.v1.TcpConnectResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpConnectRequest,
      dev.socketgateway.tcpip.v1.TcpConnectResponse> getTcpConnectMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpConnectRequest, dev.socketgateway.tcpip.v1.TcpConnectResponse> getTcpConnectMethod;
    if ((getTcpConnectMethod = SocketGatewayServiceGrpc.getTcpConnectMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getTcpConnectMethod = SocketGatewayServiceGrpc.getTcpConnectMethod) == null) {
          SocketGatewayServiceGrpc.getTcpConnectMethod = getTcpConnectMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.TcpConnectRequest, dev.socketgateway.tcpip.v1.TcpConnectResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TcpConnect"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpConnectRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpConnectResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("TcpConnect"))
              .build();
        }
      }
    }
    return getTcpConnectMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpListenRequest,
      dev.socketgateway.tcpip.v1.TcpListenResponse> getTcpListenMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TcpListen",
      requestType = dev.socketgateway.tcpip.v1.TcpListenRequest.class,
      responseType = dev.socketgateway.tcpip.v1.TcpListenResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpListenRequest,
      dev.socketgateway.tcpip.v1.TcpListenResponse> getTcpListenMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpListenRequest, dev.socketgateway.tcpip.v1.TcpListenResponse> getTcpListenMethod;
    if ((getTcpListenMethod = SocketGatewayServiceGrpc.getTcpListenMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getTcpListenMethod = SocketGatewayServiceGrpc.getTcpListenMethod) == null) {
          SocketGatewayServiceGrpc.getTcpListenMethod = getTcpListenMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.TcpListenRequest, dev.socketgateway.tcpip.v1.TcpListenResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TcpListen"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpListenRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpListenResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("TcpListen"))
              .build();
        }
      }
    }
    return getTcpListenMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpSendRequest,
      dev.socketgateway.tcpip.v1.TcpSendResponse> getTcpSendMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TcpSend",
      requestType = dev.socketgateway.tcpip.v1.TcpSendRequest.class,
      responseType = dev.socketgateway.tcpip.v1.TcpSendResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpSendRequest,
      dev.socketgateway.tcpip.v1.TcpSendResponse> getTcpSendMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpSendRequest, dev.socketgateway.tcpip.v1.TcpSendResponse> getTcpSendMethod;
    if ((getTcpSendMethod = SocketGatewayServiceGrpc.getTcpSendMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getTcpSendMethod = SocketGatewayServiceGrpc.getTcpSendMethod) == null) {
          SocketGatewayServiceGrpc.getTcpSendMethod = getTcpSendMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.TcpSendRequest, dev.socketgateway.tcpip.v1.TcpSendResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TcpSend"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpSendRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpSendResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("TcpSend"))
              .build();
        }
      }
    }
    return getTcpSendMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.AttachRequest,
      dev.socketgateway.tcpip.v1.AttachResponse> getAttachMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Attach",
      requestType = dev.socketgateway.tcpip.v1.AttachRequest.class,
      responseType = dev.socketgateway.tcpip.v1.AttachResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.AttachRequest,
      dev.socketgateway.tcpip.v1.AttachResponse> getAttachMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.AttachRequest, dev.socketgateway.tcpip.v1.AttachResponse> getAttachMethod;
    if ((getAttachMethod = SocketGatewayServiceGrpc.getAttachMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getAttachMethod = SocketGatewayServiceGrpc.getAttachMethod) == null) {
          SocketGatewayServiceGrpc.getAttachMethod = getAttachMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.AttachRequest, dev.socketgateway.tcpip.v1.AttachResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Attach"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.AttachRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.AttachResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("Attach"))
              .build();
        }
      }
    }
    return getAttachMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpExchangeRequest,
      dev.socketgateway.tcpip.v1.TcpExchangeResponse> getTcpExchangeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TcpExchange",
      requestType = dev.socketgateway.tcpip.v1.TcpExchangeRequest.class,
      responseType = dev.socketgateway.tcpip.v1.TcpExchangeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpExchangeRequest,
      dev.socketgateway.tcpip.v1.TcpExchangeResponse> getTcpExchangeMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpExchangeRequest, dev.socketgateway.tcpip.v1.TcpExchangeResponse> getTcpExchangeMethod;
    if ((getTcpExchangeMethod = SocketGatewayServiceGrpc.getTcpExchangeMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getTcpExchangeMethod = SocketGatewayServiceGrpc.getTcpExchangeMethod) == null) {
          SocketGatewayServiceGrpc.getTcpExchangeMethod = getTcpExchangeMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.TcpExchangeRequest, dev.socketgateway.tcpip.v1.TcpExchangeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TcpExchange"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpExchangeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpExchangeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("TcpExchange"))
              .build();
        }
      }
    }
    return getTcpExchangeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpDisconnectRequest,
      dev.socketgateway.tcpip.v1.TcpDisconnectResponse> getTcpDisconnectMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TcpDisconnect",
      requestType = dev.socketgateway.tcpip.v1.TcpDisconnectRequest.class,
      responseType = dev.socketgateway.tcpip.v1.TcpDisconnectResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpDisconnectRequest,
      dev.socketgateway.tcpip.v1.TcpDisconnectResponse> getTcpDisconnectMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpDisconnectRequest, dev.socketgateway.tcpip.v1.TcpDisconnectResponse> getTcpDisconnectMethod;
    if ((getTcpDisconnectMethod = SocketGatewayServiceGrpc.getTcpDisconnectMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getTcpDisconnectMethod = SocketGatewayServiceGrpc.getTcpDisconnectMethod) == null) {
          SocketGatewayServiceGrpc.getTcpDisconnectMethod = getTcpDisconnectMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.TcpDisconnectRequest, dev.socketgateway.tcpip.v1.TcpDisconnectResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TcpDisconnect"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpDisconnectRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpDisconnectResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("TcpDisconnect"))
              .build();
        }
      }
    }
    return getTcpDisconnectMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpUnlistenRequest,
      dev.socketgateway.tcpip.v1.TcpUnlistenResponse> getTcpUnlistenMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TcpUnlisten",
      requestType = dev.socketgateway.tcpip.v1.TcpUnlistenRequest.class,
      responseType = dev.socketgateway.tcpip.v1.TcpUnlistenResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpUnlistenRequest,
      dev.socketgateway.tcpip.v1.TcpUnlistenResponse> getTcpUnlistenMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TcpUnlistenRequest, dev.socketgateway.tcpip.v1.TcpUnlistenResponse> getTcpUnlistenMethod;
    if ((getTcpUnlistenMethod = SocketGatewayServiceGrpc.getTcpUnlistenMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getTcpUnlistenMethod = SocketGatewayServiceGrpc.getTcpUnlistenMethod) == null) {
          SocketGatewayServiceGrpc.getTcpUnlistenMethod = getTcpUnlistenMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.TcpUnlistenRequest, dev.socketgateway.tcpip.v1.TcpUnlistenResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TcpUnlisten"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpUnlistenRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TcpUnlistenResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("TcpUnlisten"))
              .build();
        }
      }
    }
    return getTcpUnlistenMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.UdpInRequest,
      dev.socketgateway.tcpip.v1.UdpInResponse> getUdpInMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UdpIn",
      requestType = dev.socketgateway.tcpip.v1.UdpInRequest.class,
      responseType = dev.socketgateway.tcpip.v1.UdpInResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.UdpInRequest,
      dev.socketgateway.tcpip.v1.UdpInResponse> getUdpInMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.UdpInRequest, dev.socketgateway.tcpip.v1.UdpInResponse> getUdpInMethod;
    if ((getUdpInMethod = SocketGatewayServiceGrpc.getUdpInMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getUdpInMethod = SocketGatewayServiceGrpc.getUdpInMethod) == null) {
          SocketGatewayServiceGrpc.getUdpInMethod = getUdpInMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.UdpInRequest, dev.socketgateway.tcpip.v1.UdpInResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UdpIn"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.UdpInRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.UdpInResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("UdpIn"))
              .build();
        }
      }
    }
    return getUdpInMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.UdpOutRequest,
      dev.socketgateway.tcpip.v1.UdpOutResponse> getUdpOutMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UdpOut",
      requestType = dev.socketgateway.tcpip.v1.UdpOutRequest.class,
      responseType = dev.socketgateway.tcpip.v1.UdpOutResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.UdpOutRequest,
      dev.socketgateway.tcpip.v1.UdpOutResponse> getUdpOutMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.UdpOutRequest, dev.socketgateway.tcpip.v1.UdpOutResponse> getUdpOutMethod;
    if ((getUdpOutMethod = SocketGatewayServiceGrpc.getUdpOutMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getUdpOutMethod = SocketGatewayServiceGrpc.getUdpOutMethod) == null) {
          SocketGatewayServiceGrpc.getUdpOutMethod = getUdpOutMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.UdpOutRequest, dev.socketgateway.tcpip.v1.UdpOutResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UdpOut"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.UdpOutRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.UdpOutResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("UdpOut"))
              .build();
        }
      }
    }
    return getUdpOutMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.SubscribeRequest,
      dev.socketgateway.tcpip.v1.SubscribeResponse> getSubscribeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Subscribe",
      requestType = dev.socketgateway.tcpip.v1.SubscribeRequest.class,
      responseType = dev.socketgateway.tcpip.v1.SubscribeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.SubscribeRequest,
      dev.socketgateway.tcpip.v1.SubscribeResponse> getSubscribeMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.SubscribeRequest, dev.socketgateway.tcpip.v1.SubscribeResponse> getSubscribeMethod;
    if ((getSubscribeMethod = SocketGatewayServiceGrpc.getSubscribeMethod) == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        if ((getSubscribeMethod = SocketGatewayServiceGrpc.getSubscribeMethod) == null) {
          SocketGatewayServiceGrpc.getSubscribeMethod = getSubscribeMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.SubscribeRequest, dev.socketgateway.tcpip.v1.SubscribeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Subscribe"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.SubscribeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.SubscribeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SocketGatewayServiceMethodDescriptorSupplier("Subscribe"))
              .build();
        }
      }
    }
    return getSubscribeMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static SocketGatewayServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceStub>() {
        @java.lang.Override
        public SocketGatewayServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SocketGatewayServiceStub(channel, callOptions);
        }
      };
    return SocketGatewayServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static SocketGatewayServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceBlockingV2Stub>() {
        @java.lang.Override
        public SocketGatewayServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SocketGatewayServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return SocketGatewayServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static SocketGatewayServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceBlockingStub>() {
        @java.lang.Override
        public SocketGatewayServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SocketGatewayServiceBlockingStub(channel, callOptions);
        }
      };
    return SocketGatewayServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static SocketGatewayServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SocketGatewayServiceFutureStub>() {
        @java.lang.Override
        public SocketGatewayServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SocketGatewayServiceFutureStub(channel, callOptions);
        }
      };
    return SocketGatewayServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * SocketGatewayService opens, uses and closes sockets.
   * Every live socket is a session with an id. A subscriber is a named receiver with two outputs, events and data; callers name
   * it in each RPC (empty: "default"), and Subscribe or Attach attaches a stream to it. The subscriber that opened a session gets
   * its lifecycle events for good; its inbound data goes to whoever holds the data claim: the opener first, then whoever sent last.
   * Where the gateway asks who calls, every caller has a namespace, and sessions, listeners, subscribers and request ids are its own:
   * those of another namespace do not exist for it, and two namespaces may use the same ids and names without noticing each other.
   * An RPC that fails answers a gRPC status with google.rpc.ErrorInfo in its details (reason: an ErrorReason without its prefix)
   * and, for bad fields, google.rpc.BadRequest. The same error goes to the named subscriber's events output.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * TcpConnect opens an outbound connection. Answers once the connection is open, or fails with CONNECT_FAILED; with no_wait it
     * answers at once. The events connecting and connected go to the subscriber's events output either way. All addresses of the
     * host are tried, IPv6 and IPv4 interleaved, a new one starting every 250 ms while the earlier ones have not answered.
     * </pre>
     */
    default void tcpConnect(dev.socketgateway.tcpip.v1.TcpConnectRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpConnectResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTcpConnectMethod(), responseObserver);
    }

    /**
     * <pre>
     * TcpListen opens a server socket. Each accepted connection becomes a session of its own, announced by `connected`.
     * </pre>
     */
    default void tcpListen(dev.socketgateway.tcpip.v1.TcpListenRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpListenResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTcpListenMethod(), responseObserver);
    }

    /**
     * <pre>
     * TcpSend writes payload items to a session, in order, and answers when the operating system has taken all of them. Where it
     * names a subscriber, that subscriber gets the session's data from the moment the first byte is written.
     * </pre>
     */
    default void tcpSend(dev.socketgateway.tcpip.v1.TcpSendRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpSendResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTcpSendMethod(), responseObserver);
    }

    /**
     * <pre>
     * Attach is one long-lived stream for everything: a subscription, sends, disconnects and acks go up; envelopes and answers come
     * down. The first message must be `subscribe`. A command that fails is answered with its error; the stream goes on.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.AttachRequest> attach(
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.AttachResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getAttachMethod(), responseObserver);
    }

    /**
     * <pre>
     * TcpExchange sends and collects the answer in one call. It takes the session's turn (first come, first served), so two callers
     * never get each other's answers; sends of others wait for the turn. The data claim is the call's own for that time and goes
     * back afterwards. A call that ends unanswered (deadline, cancel) keeps the turn until its late answer has come or the
     * settle_timeout has passed; the late answer goes to the holder of the data claim.
     * </pre>
     */
    default void tcpExchange(dev.socketgateway.tcpip.v1.TcpExchangeRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpExchangeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTcpExchangeMethod(), responseObserver);
    }

    /**
     * <pre>
     * TcpDisconnect closes a session: FIN once what is queued is written, or RST with abort. `disconnected` follows on the events
     * output of the opener. Also closes a UDP session. Asking again while it is closing is not an error.
     * </pre>
     */
    default void tcpDisconnect(dev.socketgateway.tcpip.v1.TcpDisconnectRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpDisconnectResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTcpDisconnectMethod(), responseObserver);
    }

    /**
     * <pre>
     * TcpUnlisten closes a listener (event `closed`), with close_sessions its sessions too.
     * </pre>
     */
    default void tcpUnlisten(dev.socketgateway.tcpip.v1.TcpUnlistenRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpUnlistenResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTcpUnlistenMethod(), responseObserver);
    }

    /**
     * <pre>
     * UdpIn binds a UDP socket and makes it a session: its datagrams go to the data output.
     * </pre>
     */
    default void udpIn(dev.socketgateway.tcpip.v1.UdpInRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.UdpInResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUdpInMethod(), responseObserver);
    }

    /**
     * <pre>
     * UdpOut sends one datagram: from a fresh socket, or from the socket of a UdpIn session, so that a request is answered from the
     * port it came to.
     * </pre>
     */
    default void udpOut(dev.socketgateway.tcpip.v1.UdpOutRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.UdpOutResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUdpOutMethod(), responseObserver);
    }

    /**
     * <pre>
     * Subscribe attaches a stream to a subscriber and delivers its outputs in order. What is handed to the stream counts as
     * delivered; the newest delivered envelopes are kept so that a broken stream can resume.
     * </pre>
     */
    default void subscribe(dev.socketgateway.tcpip.v1.SubscribeRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.SubscribeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSubscribeMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service SocketGatewayService.
   * <pre>
   * SocketGatewayService opens, uses and closes sockets.
   * Every live socket is a session with an id. A subscriber is a named receiver with two outputs, events and data; callers name
   * it in each RPC (empty: "default"), and Subscribe or Attach attaches a stream to it. The subscriber that opened a session gets
   * its lifecycle events for good; its inbound data goes to whoever holds the data claim: the opener first, then whoever sent last.
   * Where the gateway asks who calls, every caller has a namespace, and sessions, listeners, subscribers and request ids are its own:
   * those of another namespace do not exist for it, and two namespaces may use the same ids and names without noticing each other.
   * An RPC that fails answers a gRPC status with google.rpc.ErrorInfo in its details (reason: an ErrorReason without its prefix)
   * and, for bad fields, google.rpc.BadRequest. The same error goes to the named subscriber's events output.
   * </pre>
   */
  public static abstract class SocketGatewayServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return SocketGatewayServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service SocketGatewayService.
   * <pre>
   * SocketGatewayService opens, uses and closes sockets.
   * Every live socket is a session with an id. A subscriber is a named receiver with two outputs, events and data; callers name
   * it in each RPC (empty: "default"), and Subscribe or Attach attaches a stream to it. The subscriber that opened a session gets
   * its lifecycle events for good; its inbound data goes to whoever holds the data claim: the opener first, then whoever sent last.
   * Where the gateway asks who calls, every caller has a namespace, and sessions, listeners, subscribers and request ids are its own:
   * those of another namespace do not exist for it, and two namespaces may use the same ids and names without noticing each other.
   * An RPC that fails answers a gRPC status with google.rpc.ErrorInfo in its details (reason: an ErrorReason without its prefix)
   * and, for bad fields, google.rpc.BadRequest. The same error goes to the named subscriber's events output.
   * </pre>
   */
  public static final class SocketGatewayServiceStub
      extends io.grpc.stub.AbstractAsyncStub<SocketGatewayServiceStub> {
    private SocketGatewayServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SocketGatewayServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SocketGatewayServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * TcpConnect opens an outbound connection. Answers once the connection is open, or fails with CONNECT_FAILED; with no_wait it
     * answers at once. The events connecting and connected go to the subscriber's events output either way. All addresses of the
     * host are tried, IPv6 and IPv4 interleaved, a new one starting every 250 ms while the earlier ones have not answered.
     * </pre>
     */
    public void tcpConnect(dev.socketgateway.tcpip.v1.TcpConnectRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpConnectResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTcpConnectMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * TcpListen opens a server socket. Each accepted connection becomes a session of its own, announced by `connected`.
     * </pre>
     */
    public void tcpListen(dev.socketgateway.tcpip.v1.TcpListenRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpListenResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTcpListenMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * TcpSend writes payload items to a session, in order, and answers when the operating system has taken all of them. Where it
     * names a subscriber, that subscriber gets the session's data from the moment the first byte is written.
     * </pre>
     */
    public void tcpSend(dev.socketgateway.tcpip.v1.TcpSendRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpSendResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTcpSendMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Attach is one long-lived stream for everything: a subscription, sends, disconnects and acks go up; envelopes and answers come
     * down. The first message must be `subscribe`. A command that fails is answered with its error; the stream goes on.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.AttachRequest> attach(
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.AttachResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getAttachMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * TcpExchange sends and collects the answer in one call. It takes the session's turn (first come, first served), so two callers
     * never get each other's answers; sends of others wait for the turn. The data claim is the call's own for that time and goes
     * back afterwards. A call that ends unanswered (deadline, cancel) keeps the turn until its late answer has come or the
     * settle_timeout has passed; the late answer goes to the holder of the data claim.
     * </pre>
     */
    public void tcpExchange(dev.socketgateway.tcpip.v1.TcpExchangeRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpExchangeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTcpExchangeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * TcpDisconnect closes a session: FIN once what is queued is written, or RST with abort. `disconnected` follows on the events
     * output of the opener. Also closes a UDP session. Asking again while it is closing is not an error.
     * </pre>
     */
    public void tcpDisconnect(dev.socketgateway.tcpip.v1.TcpDisconnectRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpDisconnectResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTcpDisconnectMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * TcpUnlisten closes a listener (event `closed`), with close_sessions its sessions too.
     * </pre>
     */
    public void tcpUnlisten(dev.socketgateway.tcpip.v1.TcpUnlistenRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpUnlistenResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTcpUnlistenMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * UdpIn binds a UDP socket and makes it a session: its datagrams go to the data output.
     * </pre>
     */
    public void udpIn(dev.socketgateway.tcpip.v1.UdpInRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.UdpInResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUdpInMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * UdpOut sends one datagram: from a fresh socket, or from the socket of a UdpIn session, so that a request is answered from the
     * port it came to.
     * </pre>
     */
    public void udpOut(dev.socketgateway.tcpip.v1.UdpOutRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.UdpOutResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUdpOutMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Subscribe attaches a stream to a subscriber and delivers its outputs in order. What is handed to the stream counts as
     * delivered; the newest delivered envelopes are kept so that a broken stream can resume.
     * </pre>
     */
    public void subscribe(dev.socketgateway.tcpip.v1.SubscribeRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.SubscribeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getSubscribeMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service SocketGatewayService.
   * <pre>
   * SocketGatewayService opens, uses and closes sockets.
   * Every live socket is a session with an id. A subscriber is a named receiver with two outputs, events and data; callers name
   * it in each RPC (empty: "default"), and Subscribe or Attach attaches a stream to it. The subscriber that opened a session gets
   * its lifecycle events for good; its inbound data goes to whoever holds the data claim: the opener first, then whoever sent last.
   * Where the gateway asks who calls, every caller has a namespace, and sessions, listeners, subscribers and request ids are its own:
   * those of another namespace do not exist for it, and two namespaces may use the same ids and names without noticing each other.
   * An RPC that fails answers a gRPC status with google.rpc.ErrorInfo in its details (reason: an ErrorReason without its prefix)
   * and, for bad fields, google.rpc.BadRequest. The same error goes to the named subscriber's events output.
   * </pre>
   */
  public static final class SocketGatewayServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<SocketGatewayServiceBlockingV2Stub> {
    private SocketGatewayServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SocketGatewayServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SocketGatewayServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * TcpConnect opens an outbound connection. Answers once the connection is open, or fails with CONNECT_FAILED; with no_wait it
     * answers at once. The events connecting and connected go to the subscriber's events output either way. All addresses of the
     * host are tried, IPv6 and IPv4 interleaved, a new one starting every 250 ms while the earlier ones have not answered.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpConnectResponse tcpConnect(dev.socketgateway.tcpip.v1.TcpConnectRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTcpConnectMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpListen opens a server socket. Each accepted connection becomes a session of its own, announced by `connected`.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpListenResponse tcpListen(dev.socketgateway.tcpip.v1.TcpListenRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTcpListenMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpSend writes payload items to a session, in order, and answers when the operating system has taken all of them. Where it
     * names a subscriber, that subscriber gets the session's data from the moment the first byte is written.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpSendResponse tcpSend(dev.socketgateway.tcpip.v1.TcpSendRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTcpSendMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Attach is one long-lived stream for everything: a subscription, sends, disconnects and acks go up; envelopes and answers come
     * down. The first message must be `subscribe`. A command that fails is answered with its error; the stream goes on.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<dev.socketgateway.tcpip.v1.AttachRequest, dev.socketgateway.tcpip.v1.AttachResponse>
        attach() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getAttachMethod(), getCallOptions());
    }

    /**
     * <pre>
     * TcpExchange sends and collects the answer in one call. It takes the session's turn (first come, first served), so two callers
     * never get each other's answers; sends of others wait for the turn. The data claim is the call's own for that time and goes
     * back afterwards. A call that ends unanswered (deadline, cancel) keeps the turn until its late answer has come or the
     * settle_timeout has passed; the late answer goes to the holder of the data claim.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpExchangeResponse tcpExchange(dev.socketgateway.tcpip.v1.TcpExchangeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTcpExchangeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpDisconnect closes a session: FIN once what is queued is written, or RST with abort. `disconnected` follows on the events
     * output of the opener. Also closes a UDP session. Asking again while it is closing is not an error.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpDisconnectResponse tcpDisconnect(dev.socketgateway.tcpip.v1.TcpDisconnectRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTcpDisconnectMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpUnlisten closes a listener (event `closed`), with close_sessions its sessions too.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpUnlistenResponse tcpUnlisten(dev.socketgateway.tcpip.v1.TcpUnlistenRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTcpUnlistenMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * UdpIn binds a UDP socket and makes it a session: its datagrams go to the data output.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.UdpInResponse udpIn(dev.socketgateway.tcpip.v1.UdpInRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUdpInMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * UdpOut sends one datagram: from a fresh socket, or from the socket of a UdpIn session, so that a request is answered from the
     * port it came to.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.UdpOutResponse udpOut(dev.socketgateway.tcpip.v1.UdpOutRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUdpOutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Subscribe attaches a stream to a subscriber and delivers its outputs in order. What is handed to the stream counts as
     * delivered; the newest delivered envelopes are kept so that a broken stream can resume.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, dev.socketgateway.tcpip.v1.SubscribeResponse>
        subscribe(dev.socketgateway.tcpip.v1.SubscribeRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getSubscribeMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service SocketGatewayService.
   * <pre>
   * SocketGatewayService opens, uses and closes sockets.
   * Every live socket is a session with an id. A subscriber is a named receiver with two outputs, events and data; callers name
   * it in each RPC (empty: "default"), and Subscribe or Attach attaches a stream to it. The subscriber that opened a session gets
   * its lifecycle events for good; its inbound data goes to whoever holds the data claim: the opener first, then whoever sent last.
   * Where the gateway asks who calls, every caller has a namespace, and sessions, listeners, subscribers and request ids are its own:
   * those of another namespace do not exist for it, and two namespaces may use the same ids and names without noticing each other.
   * An RPC that fails answers a gRPC status with google.rpc.ErrorInfo in its details (reason: an ErrorReason without its prefix)
   * and, for bad fields, google.rpc.BadRequest. The same error goes to the named subscriber's events output.
   * </pre>
   */
  public static final class SocketGatewayServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<SocketGatewayServiceBlockingStub> {
    private SocketGatewayServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SocketGatewayServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SocketGatewayServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * TcpConnect opens an outbound connection. Answers once the connection is open, or fails with CONNECT_FAILED; with no_wait it
     * answers at once. The events connecting and connected go to the subscriber's events output either way. All addresses of the
     * host are tried, IPv6 and IPv4 interleaved, a new one starting every 250 ms while the earlier ones have not answered.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpConnectResponse tcpConnect(dev.socketgateway.tcpip.v1.TcpConnectRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTcpConnectMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpListen opens a server socket. Each accepted connection becomes a session of its own, announced by `connected`.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpListenResponse tcpListen(dev.socketgateway.tcpip.v1.TcpListenRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTcpListenMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpSend writes payload items to a session, in order, and answers when the operating system has taken all of them. Where it
     * names a subscriber, that subscriber gets the session's data from the moment the first byte is written.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpSendResponse tcpSend(dev.socketgateway.tcpip.v1.TcpSendRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTcpSendMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpExchange sends and collects the answer in one call. It takes the session's turn (first come, first served), so two callers
     * never get each other's answers; sends of others wait for the turn. The data claim is the call's own for that time and goes
     * back afterwards. A call that ends unanswered (deadline, cancel) keeps the turn until its late answer has come or the
     * settle_timeout has passed; the late answer goes to the holder of the data claim.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpExchangeResponse tcpExchange(dev.socketgateway.tcpip.v1.TcpExchangeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTcpExchangeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpDisconnect closes a session: FIN once what is queued is written, or RST with abort. `disconnected` follows on the events
     * output of the opener. Also closes a UDP session. Asking again while it is closing is not an error.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpDisconnectResponse tcpDisconnect(dev.socketgateway.tcpip.v1.TcpDisconnectRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTcpDisconnectMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * TcpUnlisten closes a listener (event `closed`), with close_sessions its sessions too.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.TcpUnlistenResponse tcpUnlisten(dev.socketgateway.tcpip.v1.TcpUnlistenRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTcpUnlistenMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * UdpIn binds a UDP socket and makes it a session: its datagrams go to the data output.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.UdpInResponse udpIn(dev.socketgateway.tcpip.v1.UdpInRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUdpInMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * UdpOut sends one datagram: from a fresh socket, or from the socket of a UdpIn session, so that a request is answered from the
     * port it came to.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.UdpOutResponse udpOut(dev.socketgateway.tcpip.v1.UdpOutRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUdpOutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Subscribe attaches a stream to a subscriber and delivers its outputs in order. What is handed to the stream counts as
     * delivered; the newest delivered envelopes are kept so that a broken stream can resume.
     * </pre>
     */
    public java.util.Iterator<dev.socketgateway.tcpip.v1.SubscribeResponse> subscribe(
        dev.socketgateway.tcpip.v1.SubscribeRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getSubscribeMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service SocketGatewayService.
   * <pre>
   * SocketGatewayService opens, uses and closes sockets.
   * Every live socket is a session with an id. A subscriber is a named receiver with two outputs, events and data; callers name
   * it in each RPC (empty: "default"), and Subscribe or Attach attaches a stream to it. The subscriber that opened a session gets
   * its lifecycle events for good; its inbound data goes to whoever holds the data claim: the opener first, then whoever sent last.
   * Where the gateway asks who calls, every caller has a namespace, and sessions, listeners, subscribers and request ids are its own:
   * those of another namespace do not exist for it, and two namespaces may use the same ids and names without noticing each other.
   * An RPC that fails answers a gRPC status with google.rpc.ErrorInfo in its details (reason: an ErrorReason without its prefix)
   * and, for bad fields, google.rpc.BadRequest. The same error goes to the named subscriber's events output.
   * </pre>
   */
  public static final class SocketGatewayServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<SocketGatewayServiceFutureStub> {
    private SocketGatewayServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SocketGatewayServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SocketGatewayServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * TcpConnect opens an outbound connection. Answers once the connection is open, or fails with CONNECT_FAILED; with no_wait it
     * answers at once. The events connecting and connected go to the subscriber's events output either way. All addresses of the
     * host are tried, IPv6 and IPv4 interleaved, a new one starting every 250 ms while the earlier ones have not answered.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.TcpConnectResponse> tcpConnect(
        dev.socketgateway.tcpip.v1.TcpConnectRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTcpConnectMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * TcpListen opens a server socket. Each accepted connection becomes a session of its own, announced by `connected`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.TcpListenResponse> tcpListen(
        dev.socketgateway.tcpip.v1.TcpListenRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTcpListenMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * TcpSend writes payload items to a session, in order, and answers when the operating system has taken all of them. Where it
     * names a subscriber, that subscriber gets the session's data from the moment the first byte is written.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.TcpSendResponse> tcpSend(
        dev.socketgateway.tcpip.v1.TcpSendRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTcpSendMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * TcpExchange sends and collects the answer in one call. It takes the session's turn (first come, first served), so two callers
     * never get each other's answers; sends of others wait for the turn. The data claim is the call's own for that time and goes
     * back afterwards. A call that ends unanswered (deadline, cancel) keeps the turn until its late answer has come or the
     * settle_timeout has passed; the late answer goes to the holder of the data claim.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.TcpExchangeResponse> tcpExchange(
        dev.socketgateway.tcpip.v1.TcpExchangeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTcpExchangeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * TcpDisconnect closes a session: FIN once what is queued is written, or RST with abort. `disconnected` follows on the events
     * output of the opener. Also closes a UDP session. Asking again while it is closing is not an error.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.TcpDisconnectResponse> tcpDisconnect(
        dev.socketgateway.tcpip.v1.TcpDisconnectRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTcpDisconnectMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * TcpUnlisten closes a listener (event `closed`), with close_sessions its sessions too.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.TcpUnlistenResponse> tcpUnlisten(
        dev.socketgateway.tcpip.v1.TcpUnlistenRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTcpUnlistenMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * UdpIn binds a UDP socket and makes it a session: its datagrams go to the data output.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.UdpInResponse> udpIn(
        dev.socketgateway.tcpip.v1.UdpInRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUdpInMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * UdpOut sends one datagram: from a fresh socket, or from the socket of a UdpIn session, so that a request is answered from the
     * port it came to.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.UdpOutResponse> udpOut(
        dev.socketgateway.tcpip.v1.UdpOutRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUdpOutMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_TCP_CONNECT = 0;
  private static final int METHODID_TCP_LISTEN = 1;
  private static final int METHODID_TCP_SEND = 2;
  private static final int METHODID_TCP_EXCHANGE = 3;
  private static final int METHODID_TCP_DISCONNECT = 4;
  private static final int METHODID_TCP_UNLISTEN = 5;
  private static final int METHODID_UDP_IN = 6;
  private static final int METHODID_UDP_OUT = 7;
  private static final int METHODID_SUBSCRIBE = 8;
  private static final int METHODID_ATTACH = 9;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_TCP_CONNECT:
          serviceImpl.tcpConnect((dev.socketgateway.tcpip.v1.TcpConnectRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpConnectResponse>) responseObserver);
          break;
        case METHODID_TCP_LISTEN:
          serviceImpl.tcpListen((dev.socketgateway.tcpip.v1.TcpListenRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpListenResponse>) responseObserver);
          break;
        case METHODID_TCP_SEND:
          serviceImpl.tcpSend((dev.socketgateway.tcpip.v1.TcpSendRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpSendResponse>) responseObserver);
          break;
        case METHODID_TCP_EXCHANGE:
          serviceImpl.tcpExchange((dev.socketgateway.tcpip.v1.TcpExchangeRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpExchangeResponse>) responseObserver);
          break;
        case METHODID_TCP_DISCONNECT:
          serviceImpl.tcpDisconnect((dev.socketgateway.tcpip.v1.TcpDisconnectRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpDisconnectResponse>) responseObserver);
          break;
        case METHODID_TCP_UNLISTEN:
          serviceImpl.tcpUnlisten((dev.socketgateway.tcpip.v1.TcpUnlistenRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TcpUnlistenResponse>) responseObserver);
          break;
        case METHODID_UDP_IN:
          serviceImpl.udpIn((dev.socketgateway.tcpip.v1.UdpInRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.UdpInResponse>) responseObserver);
          break;
        case METHODID_UDP_OUT:
          serviceImpl.udpOut((dev.socketgateway.tcpip.v1.UdpOutRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.UdpOutResponse>) responseObserver);
          break;
        case METHODID_SUBSCRIBE:
          serviceImpl.subscribe((dev.socketgateway.tcpip.v1.SubscribeRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.SubscribeResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_ATTACH:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.attach(
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.AttachResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getTcpConnectMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.TcpConnectRequest,
              dev.socketgateway.tcpip.v1.TcpConnectResponse>(
                service, METHODID_TCP_CONNECT)))
        .addMethod(
          getTcpListenMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.TcpListenRequest,
              dev.socketgateway.tcpip.v1.TcpListenResponse>(
                service, METHODID_TCP_LISTEN)))
        .addMethod(
          getTcpSendMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.TcpSendRequest,
              dev.socketgateway.tcpip.v1.TcpSendResponse>(
                service, METHODID_TCP_SEND)))
        .addMethod(
          getAttachMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.AttachRequest,
              dev.socketgateway.tcpip.v1.AttachResponse>(
                service, METHODID_ATTACH)))
        .addMethod(
          getTcpExchangeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.TcpExchangeRequest,
              dev.socketgateway.tcpip.v1.TcpExchangeResponse>(
                service, METHODID_TCP_EXCHANGE)))
        .addMethod(
          getTcpDisconnectMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.TcpDisconnectRequest,
              dev.socketgateway.tcpip.v1.TcpDisconnectResponse>(
                service, METHODID_TCP_DISCONNECT)))
        .addMethod(
          getTcpUnlistenMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.TcpUnlistenRequest,
              dev.socketgateway.tcpip.v1.TcpUnlistenResponse>(
                service, METHODID_TCP_UNLISTEN)))
        .addMethod(
          getUdpInMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.UdpInRequest,
              dev.socketgateway.tcpip.v1.UdpInResponse>(
                service, METHODID_UDP_IN)))
        .addMethod(
          getUdpOutMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.UdpOutRequest,
              dev.socketgateway.tcpip.v1.UdpOutResponse>(
                service, METHODID_UDP_OUT)))
        .addMethod(
          getSubscribeMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.SubscribeRequest,
              dev.socketgateway.tcpip.v1.SubscribeResponse>(
                service, METHODID_SUBSCRIBE)))
        .build();
  }

  private static abstract class SocketGatewayServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    SocketGatewayServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.socketgateway.tcpip.v1.SocketGatewayServiceOuterClass.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("SocketGatewayService");
    }
  }

  private static final class SocketGatewayServiceFileDescriptorSupplier
      extends SocketGatewayServiceBaseDescriptorSupplier {
    SocketGatewayServiceFileDescriptorSupplier() {}
  }

  private static final class SocketGatewayServiceMethodDescriptorSupplier
      extends SocketGatewayServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    SocketGatewayServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (SocketGatewayServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new SocketGatewayServiceFileDescriptorSupplier())
              .addMethod(getTcpConnectMethod())
              .addMethod(getTcpListenMethod())
              .addMethod(getTcpSendMethod())
              .addMethod(getAttachMethod())
              .addMethod(getTcpExchangeMethod())
              .addMethod(getTcpDisconnectMethod())
              .addMethod(getTcpUnlistenMethod())
              .addMethod(getUdpInMethod())
              .addMethod(getUdpOutMethod())
              .addMethod(getSubscribeMethod())
              .build();
        }
      }
    }
    return result;
  }
}
