import dev.socketgateway.Gateway;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A Modbus/TCP read. */
@Command(
        name = "Modbus",
        description = "Reads holding registers of a Modbus/TCP device: frames that begin with their length.")
final class Modbus extends Example {
    private static final int READ_HOLDING_REGISTERS = 3;
    private static final int TIMEOUT_MILLIS = 10_000;
    private static final Map<Integer, String> EXCEPTIONS =
            Map.of(1, "illegal function", 2, "illegal data address", 3, "illegal data value", 4, "device failure");

    @Parameters(description = "the device, as the gateway sees it")
    String host;

    @Option(names = "--port", defaultValue = "502", description = "its port (default: ${DEFAULT-VALUE})")
    int port;

    @Option(names = "--unit", defaultValue = "1", description = "the unit behind it (default: ${DEFAULT-VALUE})")
    int unit;

    @Option(names = "--first", defaultValue = "0", description = "the first register (default: ${DEFAULT-VALUE})")
    int first;

    @Option(names = "--count", defaultValue = "4", description = "how many (default: ${DEFAULT-VALUE})")
    int count;

    public static void main(String[] arguments) {
        run(new Modbus(), arguments);
    }

    @Override
    public Integer call() throws Exception {
        // A java.net.Socket like any other, but that it is the gateway which connects.
        try (Gateway opened = Gateway.open(gateway);
                Socket device = opened.socketFactory().createSocket(host, port)) {
            device.setSoTimeout(TIMEOUT_MILLIS);
            int[] registers = readRegisters(device);
            for (int i = 0; i < registers.length; i++) {
                System.out.println("register " + (first + i) + ": " + registers[i]);
            }
        }
        return 0;
    }

    /** One request and its answer (Modbus application protocol 1.1b3, section 6.3). */
    private int[] readRegisters(Socket device) throws IOException {
        int transaction = 1;
        var request = new java.io.ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(request);
        out.writeShort(transaction);
        out.writeShort(0);
        out.writeShort(6);
        out.writeByte(unit);
        out.writeByte(READ_HOLDING_REGISTERS);
        out.writeShort(first);
        out.writeShort(count);
        device.getOutputStream().write(request.toByteArray());
        // However the answer is cut on its way, it is read by its length.
        DataInputStream in = new DataInputStream(device.getInputStream());
        int answered = in.readUnsignedShort();
        in.readUnsignedShort();
        int length = in.readUnsignedShort();
        in.readUnsignedByte();
        int function = in.readUnsignedByte();
        if (answered != transaction) {
            throw new IOException("the device answered transaction " + answered + ", not " + transaction);
        }
        if ((function & 0x80) != 0) {
            int exception = in.readUnsignedByte();
            throw new IOException("the device refused: " + EXCEPTIONS.getOrDefault(exception, "exception " + exception));
        }
        int bytes = in.readUnsignedByte();
        if (bytes != 2 * count || length != bytes + 3) {
            throw new IOException("the device answered " + bytes + " bytes, not " + 2 * count);
        }
        int[] registers = new int[count];
        for (int i = 0; i < count; i++) {
            registers[i] = in.readUnsignedShort();
        }
        return registers;
    }
}
