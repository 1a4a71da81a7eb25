#!/usr/bin/env python3
"""Simulated devices and servers for the examples of all languages, in one process. Python's standard library only.

    python3 examples/peers.py
    {"host": "127.0.0.1", "scpi": 40001, "modbus": 40002, "bbs": 40003, "smtp": 40004, "silent": 40005}

Prints one line of JSON with its ports once they are bound, and ends when its standard input does.

    scpi     an instrument: *IDN?, *RST, MEAS:VOLT:DC?, SYST:ERR?; a line feed ends a command
    modbus   a Modbus/TCP device, unit 1: 100 holding registers, register i holds 1000 + i (function 3); the exceptions 1 and 2
    bbs      a bulletin board: "ENTER COMMAND> " without a line end whenever it is ready; LIST, READ n, QUIT
    smtp     takes mail and shows on standard error who sent what to whom
    silent   says nothing
"""

import json
import os
import socketserver
import struct
import sys
import threading

HOST = "127.0.0.1"
REGISTERS = [1000 + number for number in range(100)]
MESSAGES = ["Welcome to the board", "The lighthouse is closed in winter", "Boat for sale"]


class Scpi(socketserver.StreamRequestHandler):
    def handle(self):
        errors = []
        for line in self.rfile:
            command = line.decode().strip().upper()
            if command == "*IDN?":
                answer = "ACME,DMM-9000,SN00042,1.7"
            elif command == "MEAS:VOLT:DC?":
                answer = "+4.99713E+00"
            elif command == "SYST:ERR?":
                answer = errors.pop(0) if errors else '0,"No error"'
            elif command == "*RST":
                errors.clear()
                continue
            else:
                errors.append('-113,"Undefined header"')
                continue
            self.wfile.write(answer.encode() + b"\n")


class Modbus(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(7)) == 7:
            transaction, protocol, length, unit = struct.unpack(">HHHB", head)
            request = self.rfile.read(length - 1)
            answer = self.answer(request)
            self.wfile.write(struct.pack(">HHHB", transaction, protocol, len(answer) + 1, unit) + answer)

    @staticmethod
    def answer(request):
        if request[0] != 3:
            return bytes((request[0] | 0x80, 1))
        first, count = struct.unpack(">HH", request[1:5])
        if not 0 < count <= 125 or first + count > len(REGISTERS):
            return bytes((request[0] | 0x80, 2))
        values = REGISTERS[first : first + count]
        return bytes((3, 2 * count)) + struct.pack(f">{count}H", *values)


class Bbs(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"*** THE BOARD ***\r\nENTER COMMAND> ")
        for line in self.rfile:
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            if word.upper() == "QUIT":
                self.wfile.write(b"GOOD BYE\r\n")
                return
            if word.upper() == "LIST":
                answer = [f"{number} {text}" for number, text in enumerate(MESSAGES, 1)]
            elif word.upper() == "READ" and rest.isdigit() and 0 < int(rest) <= len(MESSAGES):
                answer = [MESSAGES[int(rest) - 1]]
            else:
                answer = ["WHAT?"]
            self.wfile.write("".join(f"{text}\r\n" for text in answer).encode() + b"ENTER COMMAND> ")


class Smtp(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 mail.example ESMTP simulated")
        sender, recipients = "", []
        for line in self.rfile:
            command = line.decode(errors="replace").strip()
            verb = command.upper()
            if verb.startswith(("EHLO", "HELO")):
                self.say("250 mail.example")
            elif verb.startswith("MAIL FROM:"):
                sender, recipients = command[10:], []
                self.say("250 OK")
            elif verb.startswith("RCPT TO:"):
                recipients.append(command[8:])
                self.say("250 OK")
            elif verb == "DATA":
                self.say("354 end with a line with a dot")
                body = []
                for text in self.rfile:
                    if text.rstrip(b"\r\n") == b".":
                        break
                    body.append(text)
                size = sum(len(text) for text in body)
                print(f"mail from {sender} to {', '.join(recipients)}: {size} bytes", file=sys.stderr, flush=True)
                self.say("250 OK: queued")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            elif verb in ("RSET", "NOOP"):
                self.say("250 OK")
            else:
                self.say("502 not here")


class Silent(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.read(1):
            pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A visitor that goes in the middle is no news.
        pass


def main():
    ports = {"host": HOST}
    for name, handler in {"scpi": Scpi, "modbus": Modbus, "bbs": Bbs, "smtp": Smtp, "silent": Silent}.items():
        server = Server((HOST, 0), handler)
        ports[name] = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps(ports), flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(__doc__)
        sys.exit(0 if sys.argv[1] in ("-h", "--help") else 64)
    main()
