#!/usr/bin/env bash
# Collects syslog messages over UDP and TCP, and prints them. Ctrl-C ends it.
#   syslog.sh [PORT]        default: 5514
set -euo pipefail
[[ ${1:-} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=syslog-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
subscribe() { exec grpcurl -plaintext -d "$1" "$gateway" tcpip.v1.SocketGatewayService/Subscribe; }
port_of() { sed -n 's/.*"localPort": \([0-9]*\).*/\1/p'; }

udp=$(call UdpIn '{"host": "127.0.0.1", "port": '"${1:-5514}"', "session_id": "'$me'", "subscriber": "'$me'", "mode": "UDP_MODE_UTF8"}' | port_of)
listener=$(call TcpListen '{"host": "127.0.0.1", "port": '"${1:-5514}"', "subscriber": "'$me'", "mode": "TCP_MODE_LINE"}')
id=$(sed -n 's/.*"listenerId": "\(.*\)".*/\1/p' <<<"$listener")
trap 'kill $! 2>/dev/null || true; call TcpUnlisten "{\"listener_id\": \"$id\", \"close_sessions\": true}" >/dev/null; call TcpDisconnect "{\"session_id\": \"$me\"}" >/dev/null' EXIT
trap 'exit 0' INT TERM
echo "listening: udp $udp, tcp $(port_of <<<"$listener")"

severities=(emergency alert critical error warning notice info debug)
while read -r line; do
  [[ $line == '"text": '* ]] || continue
  message=${line#'"text": "'} message=${message%\"}
  # JSON may write < and > by their numbers.
  message=${message//\\u003c/<} message=${message//\\u003e/>}
  if [[ $message =~ ^\<([0-9]{1,3})\>(.*) ]]; then
    echo "facility $((BASH_REMATCH[1] / 8)) ${severities[BASH_REMATCH[1] % 8]}: ${BASH_REMATCH[2]}"
  else
    echo "no syslog: $message"
  fi
done < <(subscribe '{"subscriber": "'$me'", "outputs": ["OUTPUT_DATA"]}')
