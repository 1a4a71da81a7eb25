#!/usr/bin/env bash
# The TCP server flow: listens, sends each line back, and ends the connection on "bye". Ctrl-C ends it.
#   echo_server.sh [PORT]        default: 2323
set -euo pipefail
[[ ${1:-} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=echo-server-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
subscribe() { exec grpcurl -plaintext -d "$1" "$gateway" tcpip.v1.SocketGatewayService/Subscribe; }

# Where nobody is subscribed any more, the listener is closed.
listener=$(call TcpListen '{"host": "127.0.0.1", "port": '"${1:-2323}"', "subscriber": "'$me'", "mode": "TCP_MODE_LINE"}')
id=$(sed -n 's/.*"listenerId": "\(.*\)".*/\1/p' <<<"$listener")
trap 'kill $! 2>/dev/null || true; call TcpUnlisten "{\"listener_id\": \"$id\", \"close_sessions\": true}" >/dev/null' EXIT
trap 'exit 0' INT TERM
sed -n 's/.*"localPort": \([0-9]*\).*/listening on port \1/p' <<<"$listener"

# Of each envelope the event, the session and the text, as JSON writes them, so that they can go back as they are.
session='' event=''
while read -r line; do
  case $line in
    '"event": '*) event=${line#*: } ;;
    '"sessionId": '*) session=${line#*: } session=${session%,} ;;
    '"text": '*)
      text=${line#*: }
      call TcpSend '{"session_id": '"$session"', "line_terminator": "LINE_TERMINATOR_CRLF", "payload": [{"text": '"$text"'}]}' >/dev/null || true
      [[ $text != '"bye"' ]] || call TcpDisconnect '{"session_id": '"$session"'}' >/dev/null || true
      ;;
    '"connected": {') [[ $event != '"EVENT_CONNECTED",' ]] || echo "$session came" ;;
  esac
done < <(subscribe '{"subscriber": "'$me'"}')
