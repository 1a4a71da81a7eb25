// Package peers plays the devices that the examples talk to.
package peers

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
)

// Serve plays a device for everybody who connects, until the listener is closed.
func Serve(listener net.Listener, device func(io.ReadWriter)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			device(conn)
		}()
	}
}

// Board is a bulletin board that asks for commands, ended by CR, with a prompt that has no line end.
func Board(visitor io.ReadWriter) {
	commands := bufio.NewReader(visitor)
	fmt.Fprint(visitor, "WELCOME TO THE SMALL BOARD\r\n2 messages are new\r\n")
	for {
		fmt.Fprint(visitor, "ENTER COMMAND (LIST, READ n, QUIT): ")
		command, err := commands.ReadString('\r')
		if err != nil {
			return
		}
		switch strings.TrimSpace(command) {
		case "LIST":
			fmt.Fprint(visitor, "1  ann  Modem for sale\r\n2  bob  Meeting on Friday\r\n")
		case "READ 1":
			fmt.Fprint(visitor, "From ann: 2400 baud, as good as new.\r\n")
		case "READ 2":
			fmt.Fprint(visitor, "From bob: At eight, as always.\r\nBring cables.\r\n")
		case "QUIT":
			fmt.Fprint(visitor, "GOODBYE\r\n")
			return
		default:
			fmt.Fprint(visitor, "What?\r\n")
		}
	}
}

// Instrument is a voltmeter that speaks SCPI.
func Instrument(controller io.ReadWriter) {
	volts, fault := 1.2345, "0,\"No error\""
	for commands := bufio.NewScanner(controller); commands.Scan(); {
		switch command := strings.ToUpper(strings.TrimSpace(commands.Text())); command {
		case "*IDN?":
			fmt.Fprintln(controller, "ACME,DMM-7,4711,1.0")
		case "MEAS:VOLT:DC?":
			fmt.Fprintf(controller, "%+.4E\n", volts)
		case "*RST":
			volts = 0
		case "SYST:ERR?":
			fmt.Fprintln(controller, fault)
			fault = "0,\"No error\""
		default:
			fault = "-113,\"Undefined header\""
		}
	}
}

// Registers is how many holding registers the device has; each holds its number times ten.
const Registers = 1000

// Modbus is a device that lets its holding registers be read.
func Modbus(master io.ReadWriter) {
	for {
		var request struct {
			Transaction, Protocol, Length uint16
			Unit, Function                byte
			From, Count                   uint16
		}
		if binary.Read(master, binary.BigEndian, &request) != nil {
			return
		}
		answer := []byte{request.Function, byte(2 * request.Count)}
		switch {
		case request.Function != 3:
			answer = []byte{request.Function | 0x80, 1}
		case request.Count < 1 || request.Count > 125:
			answer = []byte{request.Function | 0x80, 3}
		case int(request.From)+int(request.Count) > Registers:
			answer = []byte{request.Function | 0x80, 2}
		default:
			for i := range request.Count {
				answer = binary.BigEndian.AppendUint16(answer, 10*(request.From+i))
			}
		}
		message := binary.BigEndian.AppendUint16(nil, request.Transaction)
		message = binary.BigEndian.AppendUint16(message, 0)
		message = binary.BigEndian.AppendUint16(message, uint16(len(answer)+1))
		message = append(append(message, request.Unit), answer...)
		// In two parts, as a network may deliver it.
		if _, err := master.Write(message[:5]); err != nil {
			return
		}
		if _, err := master.Write(message[5:]); err != nil {
			return
		}
	}
}
