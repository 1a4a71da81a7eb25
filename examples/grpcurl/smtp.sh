#!/usr/bin/env bash
# Sends a mail: an SMTP dialogue of exchanges.
#   smtp.sh HOST PORT SENDER RECIPIENT TEXT
set -euo pipefail
[[ ${1:---help} != --help && $# -eq 5 ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=smtp-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
trap 'call TcpDisconnect "{\"session_id\": \"$me\"}" >/dev/null 2>&1 || true' EXIT

# say CODE [LINE...]: sends the lines and waits for the last line of the answer, which must have this code.
say() {
  local code=$1 items answer
  shift
  items=$((($# == 0)) || printf ', {"text": "%s"}' "$@")
  answer=$(call TcpExchange '{"session_id": "'$me'", "payload": ['"${items#, }"'], "line_terminator": "LINE_TERMINATOR_CRLF", "wait_for": "^[0-9]{3} "}' |
    sed -n '/"match"/,$s/^ *"text": "\(.*\)".*/\1/p' | head -n 1)
  echo "$answer"
  [[ $answer == "$code "* ]] || exit 1
}
call TcpConnect '{"host": "'"$1"'", "port": '"$2"', "session_id": "'$me'", "mode": "TCP_MODE_LINE"}' >/dev/null
say 220
say 250 "EHLO gateway.example"
say 250 "MAIL FROM:<$3>"
say 250 "RCPT TO:<$4>"
say 354 DATA
say 250 "From: $3" "To: $4" "" "$5" .
say 221 QUIT
