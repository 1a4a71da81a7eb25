"""Sends a mail with Python's own smtplib, whose connection goes through the gateway.

python3 smtp.py --host mail.example --to you@example.org --subject Hello "How are you?"
"""

import argparse
import email.message
import os

from socket_gateway import Gateway
from socket_gateway.stream import smtp

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
options.add_argument("--host", default="127.0.0.1", help="the mail server")
options.add_argument("--port", type=int, default=25)
options.add_argument("--sender", default="me@example.org")
options.add_argument("--to", action="append", required=True, help="may be given several times")
options.add_argument("--subject", default="")
options.add_argument("text")
chosen = options.parse_args()

mail = email.message.EmailMessage()
mail["From"], mail["To"], mail["Subject"] = chosen.sender, ", ".join(chosen.to), chosen.subject
mail.set_content(chosen.text)

with Gateway(chosen.gateway) as gateway, smtp(gateway, chosen.host, chosen.port, timeout=30) as server:
    refused = server.send_message(mail)
    print(f"{chosen.host} took the mail" + (f", but not for {', '.join(refused)}" if refused else ""))
