# Shared functions; each example begins with `. "$(dirname "$0")/lib.sh"`. The
# examples need curl and a server, such as that of `make dev`, at $PING.
set -eu
PING=${PING:-http://127.0.0.1:8080}
RUN=$(date +%s)$$          # makes the users of each run unique
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
TOKEN= SEEN= STATUS= BODY=

say() { printf '\n# %s\n' "$*"; }

# call METHOD PATH [BODY]: makes a request with $TOKEN and sets $STATUS and $BODY.
# Reads wait until they include all earlier writes.
call() {
    method=$1 path=$2 body=${3-}
    set -- -sS -X "$method" -o "$WORK/body" -D "$WORK/headers" -w '%{http_code}'
    [ -z "$TOKEN" ] || set -- "$@" -H "Authorization: Bearer $TOKEN"
    [ -z "$body" ] || set -- "$@" -H 'Content-Type: application/json' -d "$body"
    if [ "$method" = GET ] && [ -n "$SEEN" ]; then set -- "$@" -H "Ping-Min-Position: $SEEN"; fi
    STATUS=$(curl "$@" "$PING$path")
    BODY=$(cat "$WORK/body")
    position=$(tr -d '\r' <"$WORK/headers" | sed -n 's/^[Pp]ing-[Pp]osition: //p')
    if [ -n "$position" ]; then SEEN=$(printf '%s,%s' "$position" "$SEEN" | cut -d , -f 1-8 | sed 's/,$//'); fi
}

# expect STATUS METHOD PATH [BODY]: makes a call and requires that status.
expect() {
    wanted=$1
    shift
    call "$@"
    printf '%s  %s %s\n' "$STATUS" "$1" "$2"
    if [ "$STATUS" != "$wanted" ]; then
        printf 'expected %s, got: %s\n' "$wanted" "$BODY" >&2
        exit 1
    fi
}

# has TEXT: requires the text in the last response; lacks TEXT: requires its absence.
has() { case $BODY in *"$1"*) ;; *) printf 'the response lacks %s: %s\n' "$1" "$BODY" >&2; exit 1 ;; esac; }
lacks() { case $BODY in *"$1"*) printf 'the response has %s: %s\n' "$1" "$BODY" >&2; exit 1 ;; esac; }

# field NAME: prints the first text field of that name in the last response.
field() { printf '%s' "$BODY" | grep -o "\"$1\":\"[^\"]*" | head -n 1 | cut -d '"' -f 4; }

# person NAME: registers a user and sets $TOKEN and $ID.
person() {
    TOKEN=
    expect 201 POST /v1/auth/register "{\"email\":\"$1-$RUN@example.org\",\"password\":\"correct horse\",\"display_name\":\"$1\"}"
    TOKEN=$(field access_token) ID=$(field id)
}
