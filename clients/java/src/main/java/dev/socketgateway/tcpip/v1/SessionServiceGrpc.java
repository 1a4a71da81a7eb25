package dev.socketgateway.tcpip.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * SessionService shows sessions, listeners and subscribers, and moves data claims.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class SessionServiceGrpc {

  private SessionServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "tcpip.v1.SessionService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListSessionsRequest,
      dev.socketgateway.tcpip.v1.ListSessionsResponse> getListSessionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListSessions",
      requestType = dev.socketgateway.tcpip.v1.ListSessionsRequest.class,
      responseType = dev.socketgateway.tcpip.v1.ListSessionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListSessionsRequest,
      dev.socketgateway.tcpip.v1.ListSessionsResponse> getListSessionsMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListSessionsRequest, dev.socketgateway.tcpip.v1.ListSessionsResponse> getListSessionsMethod;
    if ((getListSessionsMethod = SessionServiceGrpc.getListSessionsMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListSessionsMethod = SessionServiceGrpc.getListSessionsMethod) == null) {
          SessionServiceGrpc.getListSessionsMethod = getListSessionsMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.ListSessionsRequest, dev.socketgateway.tcpip.v1.ListSessionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListSessions"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ListSessionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ListSessionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ListSessions"))
              .build();
        }
      }
    }
    return getListSessionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.GetSessionRequest,
      dev.socketgateway.tcpip.v1.GetSessionResponse> getGetSessionMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetSession",
      requestType = dev.socketgateway.tcpip.v1.GetSessionRequest.class,
      responseType = dev.socketgateway.tcpip.v1.GetSessionResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.GetSessionRequest,
      dev.socketgateway.tcpip.v1.GetSessionResponse> getGetSessionMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.GetSessionRequest, dev.socketgateway.tcpip.v1.GetSessionResponse> getGetSessionMethod;
    if ((getGetSessionMethod = SessionServiceGrpc.getGetSessionMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getGetSessionMethod = SessionServiceGrpc.getGetSessionMethod) == null) {
          SessionServiceGrpc.getGetSessionMethod = getGetSessionMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.GetSessionRequest, dev.socketgateway.tcpip.v1.GetSessionResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetSession"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.GetSessionRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.GetSessionResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("GetSession"))
              .build();
        }
      }
    }
    return getGetSessionMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListListenersRequest,
      dev.socketgateway.tcpip.v1.ListListenersResponse> getListListenersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListListeners",
      requestType = dev.socketgateway.tcpip.v1.ListListenersRequest.class,
      responseType = dev.socketgateway.tcpip.v1.ListListenersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListListenersRequest,
      dev.socketgateway.tcpip.v1.ListListenersResponse> getListListenersMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListListenersRequest, dev.socketgateway.tcpip.v1.ListListenersResponse> getListListenersMethod;
    if ((getListListenersMethod = SessionServiceGrpc.getListListenersMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListListenersMethod = SessionServiceGrpc.getListListenersMethod) == null) {
          SessionServiceGrpc.getListListenersMethod = getListListenersMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.ListListenersRequest, dev.socketgateway.tcpip.v1.ListListenersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListListeners"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ListListenersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ListListenersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ListListeners"))
              .build();
        }
      }
    }
    return getListListenersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListSubscribersRequest,
      dev.socketgateway.tcpip.v1.ListSubscribersResponse> getListSubscribersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListSubscribers",
      requestType = dev.socketgateway.tcpip.v1.ListSubscribersRequest.class,
      responseType = dev.socketgateway.tcpip.v1.ListSubscribersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListSubscribersRequest,
      dev.socketgateway.tcpip.v1.ListSubscribersResponse> getListSubscribersMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ListSubscribersRequest, dev.socketgateway.tcpip.v1.ListSubscribersResponse> getListSubscribersMethod;
    if ((getListSubscribersMethod = SessionServiceGrpc.getListSubscribersMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListSubscribersMethod = SessionServiceGrpc.getListSubscribersMethod) == null) {
          SessionServiceGrpc.getListSubscribersMethod = getListSubscribersMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.ListSubscribersRequest, dev.socketgateway.tcpip.v1.ListSubscribersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListSubscribers"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ListSubscribersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ListSubscribersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ListSubscribers"))
              .build();
        }
      }
    }
    return getListSubscribersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.WatchRequest,
      dev.socketgateway.tcpip.v1.WatchResponse> getWatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Watch",
      requestType = dev.socketgateway.tcpip.v1.WatchRequest.class,
      responseType = dev.socketgateway.tcpip.v1.WatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.WatchRequest,
      dev.socketgateway.tcpip.v1.WatchResponse> getWatchMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.WatchRequest, dev.socketgateway.tcpip.v1.WatchResponse> getWatchMethod;
    if ((getWatchMethod = SessionServiceGrpc.getWatchMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getWatchMethod = SessionServiceGrpc.getWatchMethod) == null) {
          SessionServiceGrpc.getWatchMethod = getWatchMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.WatchRequest, dev.socketgateway.tcpip.v1.WatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Watch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.WatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.WatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("Watch"))
              .build();
        }
      }
    }
    return getWatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ClaimDataRequest,
      dev.socketgateway.tcpip.v1.ClaimDataResponse> getClaimDataMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ClaimData",
      requestType = dev.socketgateway.tcpip.v1.ClaimDataRequest.class,
      responseType = dev.socketgateway.tcpip.v1.ClaimDataResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ClaimDataRequest,
      dev.socketgateway.tcpip.v1.ClaimDataResponse> getClaimDataMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.ClaimDataRequest, dev.socketgateway.tcpip.v1.ClaimDataResponse> getClaimDataMethod;
    if ((getClaimDataMethod = SessionServiceGrpc.getClaimDataMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getClaimDataMethod = SessionServiceGrpc.getClaimDataMethod) == null) {
          SessionServiceGrpc.getClaimDataMethod = getClaimDataMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.ClaimDataRequest, dev.socketgateway.tcpip.v1.ClaimDataResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ClaimData"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ClaimDataRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.ClaimDataResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ClaimData"))
              .build();
        }
      }
    }
    return getClaimDataMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TapRequest,
      dev.socketgateway.tcpip.v1.TapResponse> getTapMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Tap",
      requestType = dev.socketgateway.tcpip.v1.TapRequest.class,
      responseType = dev.socketgateway.tcpip.v1.TapResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TapRequest,
      dev.socketgateway.tcpip.v1.TapResponse> getTapMethod() {
    io.grpc.MethodDescriptor<dev.socketgateway.tcpip.v1.TapRequest, dev.socketgateway.tcpip.v1.TapResponse> getTapMethod;
    if ((getTapMethod = SessionServiceGrpc.getTapMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getTapMethod = SessionServiceGrpc.getTapMethod) == null) {
          SessionServiceGrpc.getTapMethod = getTapMethod =
              io.grpc.MethodDescriptor.<dev.socketgateway.tcpip.v1.TapRequest, dev.socketgateway.tcpip.v1.TapResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Tap"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TapRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.socketgateway.tcpip.v1.TapResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("Tap"))
              .build();
        }
      }
    }
    return getTapMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static SessionServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceStub>() {
        @java.lang.Override
        public SessionServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceStub(channel, callOptions);
        }
      };
    return SessionServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static SessionServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingV2Stub>() {
        @java.lang.Override
        public SessionServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return SessionServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static SessionServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingStub>() {
        @java.lang.Override
        public SessionServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceBlockingStub(channel, callOptions);
        }
      };
    return SessionServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static SessionServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceFutureStub>() {
        @java.lang.Override
        public SessionServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceFutureStub(channel, callOptions);
        }
      };
    return SessionServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * SessionService shows sessions, listeners and subscribers, and moves data claims.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * ListSessions lists live sessions, ordered by namespace and id.
     * </pre>
     */
    default void listSessions(dev.socketgateway.tcpip.v1.ListSessionsRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListSessionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListSessionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * GetSession shows one session. Looking does not count as touching it.
     * </pre>
     */
    default void getSession(dev.socketgateway.tcpip.v1.GetSessionRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.GetSessionResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetSessionMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListListeners lists listeners, ordered by namespace and id.
     * </pre>
     */
    default void listListeners(dev.socketgateway.tcpip.v1.ListListenersRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListListenersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListListenersMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListSubscribers lists subscribers, ordered by namespace and name.
     * </pre>
     */
    default void listSubscribers(dev.socketgateway.tcpip.v1.ListSubscribersRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListSubscribersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListSubscribersMethod(), responseObserver);
    }

    /**
     * <pre>
     * Watch first shows everything that lives, then every change. A watcher that lags too far behind gets a fresh snapshot instead
     * of the changes it missed.
     * </pre>
     */
    default void watch(dev.socketgateway.tcpip.v1.WatchRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.WatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * ClaimData moves a session's data claim without sending. What was collected for the old holder's wait_for is flushed to it.
     * </pre>
     */
    default void claimData(dev.socketgateway.tcpip.v1.ClaimDataRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ClaimDataResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getClaimDataMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tap shows operators what a session moves, both directions, from now on until it ends. It never slows the session down: what its
     * reader is too slow for is lost to it and counted. The audit log tells who looked.
     * </pre>
     */
    default void tap(dev.socketgateway.tcpip.v1.TapRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TapResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTapMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service SessionService.
   * <pre>
   * SessionService shows sessions, listeners and subscribers, and moves data claims.
   * </pre>
   */
  public static abstract class SessionServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return SessionServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service SessionService.
   * <pre>
   * SessionService shows sessions, listeners and subscribers, and moves data claims.
   * </pre>
   */
  public static final class SessionServiceStub
      extends io.grpc.stub.AbstractAsyncStub<SessionServiceStub> {
    private SessionServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * ListSessions lists live sessions, ordered by namespace and id.
     * </pre>
     */
    public void listSessions(dev.socketgateway.tcpip.v1.ListSessionsRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListSessionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListSessionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * GetSession shows one session. Looking does not count as touching it.
     * </pre>
     */
    public void getSession(dev.socketgateway.tcpip.v1.GetSessionRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.GetSessionResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetSessionMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListListeners lists listeners, ordered by namespace and id.
     * </pre>
     */
    public void listListeners(dev.socketgateway.tcpip.v1.ListListenersRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListListenersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListListenersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListSubscribers lists subscribers, ordered by namespace and name.
     * </pre>
     */
    public void listSubscribers(dev.socketgateway.tcpip.v1.ListSubscribersRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListSubscribersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListSubscribersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Watch first shows everything that lives, then every change. A watcher that lags too far behind gets a fresh snapshot instead
     * of the changes it missed.
     * </pre>
     */
    public void watch(dev.socketgateway.tcpip.v1.WatchRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.WatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ClaimData moves a session's data claim without sending. What was collected for the old holder's wait_for is flushed to it.
     * </pre>
     */
    public void claimData(dev.socketgateway.tcpip.v1.ClaimDataRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ClaimDataResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getClaimDataMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tap shows operators what a session moves, both directions, from now on until it ends. It never slows the session down: what its
     * reader is too slow for is lost to it and counted. The audit log tells who looked.
     * </pre>
     */
    public void tap(dev.socketgateway.tcpip.v1.TapRequest request,
        io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TapResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getTapMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service SessionService.
   * <pre>
   * SessionService shows sessions, listeners and subscribers, and moves data claims.
   * </pre>
   */
  public static final class SessionServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<SessionServiceBlockingV2Stub> {
    private SessionServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * ListSessions lists live sessions, ordered by namespace and id.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ListSessionsResponse listSessions(dev.socketgateway.tcpip.v1.ListSessionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetSession shows one session. Looking does not count as touching it.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.GetSessionResponse getSession(dev.socketgateway.tcpip.v1.GetSessionRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetSessionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListListeners lists listeners, ordered by namespace and id.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ListListenersResponse listListeners(dev.socketgateway.tcpip.v1.ListListenersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListListenersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListSubscribers lists subscribers, ordered by namespace and name.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ListSubscribersResponse listSubscribers(dev.socketgateway.tcpip.v1.ListSubscribersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListSubscribersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Watch first shows everything that lives, then every change. A watcher that lags too far behind gets a fresh snapshot instead
     * of the changes it missed.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, dev.socketgateway.tcpip.v1.WatchResponse>
        watch(dev.socketgateway.tcpip.v1.WatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ClaimData moves a session's data claim without sending. What was collected for the old holder's wait_for is flushed to it.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ClaimDataResponse claimData(dev.socketgateway.tcpip.v1.ClaimDataRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getClaimDataMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tap shows operators what a session moves, both directions, from now on until it ends. It never slows the session down: what its
     * reader is too slow for is lost to it and counted. The audit log tells who looked.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, dev.socketgateway.tcpip.v1.TapResponse>
        tap(dev.socketgateway.tcpip.v1.TapRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getTapMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service SessionService.
   * <pre>
   * SessionService shows sessions, listeners and subscribers, and moves data claims.
   * </pre>
   */
  public static final class SessionServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<SessionServiceBlockingStub> {
    private SessionServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * ListSessions lists live sessions, ordered by namespace and id.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ListSessionsResponse listSessions(dev.socketgateway.tcpip.v1.ListSessionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetSession shows one session. Looking does not count as touching it.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.GetSessionResponse getSession(dev.socketgateway.tcpip.v1.GetSessionRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetSessionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListListeners lists listeners, ordered by namespace and id.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ListListenersResponse listListeners(dev.socketgateway.tcpip.v1.ListListenersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListListenersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListSubscribers lists subscribers, ordered by namespace and name.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ListSubscribersResponse listSubscribers(dev.socketgateway.tcpip.v1.ListSubscribersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListSubscribersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Watch first shows everything that lives, then every change. A watcher that lags too far behind gets a fresh snapshot instead
     * of the changes it missed.
     * </pre>
     */
    public java.util.Iterator<dev.socketgateway.tcpip.v1.WatchResponse> watch(
        dev.socketgateway.tcpip.v1.WatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ClaimData moves a session's data claim without sending. What was collected for the old holder's wait_for is flushed to it.
     * </pre>
     */
    public dev.socketgateway.tcpip.v1.ClaimDataResponse claimData(dev.socketgateway.tcpip.v1.ClaimDataRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getClaimDataMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tap shows operators what a session moves, both directions, from now on until it ends. It never slows the session down: what its
     * reader is too slow for is lost to it and counted. The audit log tells who looked.
     * </pre>
     */
    public java.util.Iterator<dev.socketgateway.tcpip.v1.TapResponse> tap(
        dev.socketgateway.tcpip.v1.TapRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getTapMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service SessionService.
   * <pre>
   * SessionService shows sessions, listeners and subscribers, and moves data claims.
   * </pre>
   */
  public static final class SessionServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<SessionServiceFutureStub> {
    private SessionServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * ListSessions lists live sessions, ordered by namespace and id.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.ListSessionsResponse> listSessions(
        dev.socketgateway.tcpip.v1.ListSessionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListSessionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * GetSession shows one session. Looking does not count as touching it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.GetSessionResponse> getSession(
        dev.socketgateway.tcpip.v1.GetSessionRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetSessionMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListListeners lists listeners, ordered by namespace and id.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.ListListenersResponse> listListeners(
        dev.socketgateway.tcpip.v1.ListListenersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListListenersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListSubscribers lists subscribers, ordered by namespace and name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.ListSubscribersResponse> listSubscribers(
        dev.socketgateway.tcpip.v1.ListSubscribersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListSubscribersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ClaimData moves a session's data claim without sending. What was collected for the old holder's wait_for is flushed to it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.socketgateway.tcpip.v1.ClaimDataResponse> claimData(
        dev.socketgateway.tcpip.v1.ClaimDataRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getClaimDataMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_LIST_SESSIONS = 0;
  private static final int METHODID_GET_SESSION = 1;
  private static final int METHODID_LIST_LISTENERS = 2;
  private static final int METHODID_LIST_SUBSCRIBERS = 3;
  private static final int METHODID_WATCH = 4;
  private static final int METHODID_CLAIM_DATA = 5;
  private static final int METHODID_TAP = 6;

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
        case METHODID_LIST_SESSIONS:
          serviceImpl.listSessions((dev.socketgateway.tcpip.v1.ListSessionsRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListSessionsResponse>) responseObserver);
          break;
        case METHODID_GET_SESSION:
          serviceImpl.getSession((dev.socketgateway.tcpip.v1.GetSessionRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.GetSessionResponse>) responseObserver);
          break;
        case METHODID_LIST_LISTENERS:
          serviceImpl.listListeners((dev.socketgateway.tcpip.v1.ListListenersRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListListenersResponse>) responseObserver);
          break;
        case METHODID_LIST_SUBSCRIBERS:
          serviceImpl.listSubscribers((dev.socketgateway.tcpip.v1.ListSubscribersRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ListSubscribersResponse>) responseObserver);
          break;
        case METHODID_WATCH:
          serviceImpl.watch((dev.socketgateway.tcpip.v1.WatchRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.WatchResponse>) responseObserver);
          break;
        case METHODID_CLAIM_DATA:
          serviceImpl.claimData((dev.socketgateway.tcpip.v1.ClaimDataRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.ClaimDataResponse>) responseObserver);
          break;
        case METHODID_TAP:
          serviceImpl.tap((dev.socketgateway.tcpip.v1.TapRequest) request,
              (io.grpc.stub.StreamObserver<dev.socketgateway.tcpip.v1.TapResponse>) responseObserver);
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
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getListSessionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.ListSessionsRequest,
              dev.socketgateway.tcpip.v1.ListSessionsResponse>(
                service, METHODID_LIST_SESSIONS)))
        .addMethod(
          getGetSessionMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.GetSessionRequest,
              dev.socketgateway.tcpip.v1.GetSessionResponse>(
                service, METHODID_GET_SESSION)))
        .addMethod(
          getListListenersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.ListListenersRequest,
              dev.socketgateway.tcpip.v1.ListListenersResponse>(
                service, METHODID_LIST_LISTENERS)))
        .addMethod(
          getListSubscribersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.ListSubscribersRequest,
              dev.socketgateway.tcpip.v1.ListSubscribersResponse>(
                service, METHODID_LIST_SUBSCRIBERS)))
        .addMethod(
          getWatchMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.WatchRequest,
              dev.socketgateway.tcpip.v1.WatchResponse>(
                service, METHODID_WATCH)))
        .addMethod(
          getClaimDataMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.ClaimDataRequest,
              dev.socketgateway.tcpip.v1.ClaimDataResponse>(
                service, METHODID_CLAIM_DATA)))
        .addMethod(
          getTapMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              dev.socketgateway.tcpip.v1.TapRequest,
              dev.socketgateway.tcpip.v1.TapResponse>(
                service, METHODID_TAP)))
        .build();
  }

  private static abstract class SessionServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    SessionServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.socketgateway.tcpip.v1.SessionServiceOuterClass.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("SessionService");
    }
  }

  private static final class SessionServiceFileDescriptorSupplier
      extends SessionServiceBaseDescriptorSupplier {
    SessionServiceFileDescriptorSupplier() {}
  }

  private static final class SessionServiceMethodDescriptorSupplier
      extends SessionServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    SessionServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (SessionServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new SessionServiceFileDescriptorSupplier())
              .addMethod(getListSessionsMethod())
              .addMethod(getGetSessionMethod())
              .addMethod(getListListenersMethod())
              .addMethod(getListSubscribersMethod())
              .addMethod(getWatchMethod())
              .addMethod(getClaimDataMethod())
              .addMethod(getTapMethod())
              .build();
        }
      }
    }
    return result;
  }
}
