#!/usr/bin/env bash
# The dialogue with a bulletin board, which asks for a command whenever it is ready, without ending that line.
#   bbs.sh HOST PORT [COMMAND...]        default: LIST "READ 2" QUIT
set -euo pipefail
[[ ${1:---help} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=bbs-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
texts() { sed -n 's/^ *"text": "\(.*\)".*/\1/p'; }

host=$1 port=$2
shift 2
(($#)) || set -- LIST 'READ 2' QUIT
call TcpConnect '{"host": "'"$host"'", "port": '"$port"', "session_id": "'$me'", "subscriber": "'$me'", "mode": "TCP_MODE_LINE"}' >/dev/null
# No stream is attached, so what the board has said already counts: an exchange that sends nothing gets the greeting.
call TcpExchange '{"session_id": "'$me'", "wait_for": "^ENTER COMMAND"}' | texts
for command; do
  echo "> $command"
  call TcpExchange '{"session_id": "'$me'", "payload": [{"text": "'"$command"'"}], "line_terminator": "LINE_TERMINATOR_CRLF", "wait_for": "^ENTER COMMAND"}' | texts
done
call TcpDisconnect '{"session_id": "'$me'"}' >/dev/null 2>&1 || true
