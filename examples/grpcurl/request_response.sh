#!/usr/bin/env bash
# Request and response: several callers share one connection, and each gets its own answer.
#   request_response.sh [HOST [PORT]]        a server that repeats what it is told; default: 127.0.0.1 2323
set -euo pipefail
[[ ${1:-} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=request-response-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }

call TcpConnect '{"host": "'"${1:-127.0.0.1}"'", "port": '"${2:-2323}"', "session_id": "'$me'", "mode": "TCP_MODE_LINE"}' >/dev/null
for caller in 1 2 3; do
  # The session's turn goes from caller to caller, first come, first served.
  call TcpExchange '{"session_id": "'$me'", "payload": [{"text": "question '$caller'"}], "line_terminator": "LINE_TERMINATOR_LF", "wait_for": "question '$caller'$"}' |
    sed -n 's/^ *"text": "\(question.*\)".*/caller '$caller' got: \1/p' &
done
wait
call TcpDisconnect '{"session_id": "'$me'"}' >/dev/null
