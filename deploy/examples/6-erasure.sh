#!/bin/sh
# Export and erasure of a person's data.
. "$(dirname "$0")/lib.sh"

person Ada; ADA=$ID AS_ADA=$TOKEN
person Bob; BOB=$ID AS_BOB=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"group\",\"name\":\"crew\",\"members\":[\"$ADA\"]}"
GROUP=/v1/conversations/$(field id)
expect 201 POST "$GROUP/messages" '{"body":"My secret is the rum."}'
MESSAGE=$(field id)

say "Bob exports everything that is stored about Bob"
expect 200 GET /v1/users/me/export
has 'My secret is the rum.'

say "Bob is erased; that requires the password"
expect 401 DELETE /v1/users/me '{"password":"wrong horse"}'
expect 202 DELETE /v1/users/me '{"password":"correct horse"}'
expect 401 GET /v1/users/me

say "Ada's history is complete; Bob's texts and name are removed"
TOKEN=$AS_ADA
for i in 1 2 3 4 5 6 7 8 9 10; do
    call GET "$GROUP/messages/$MESSAGE"
    case $BODY in *rum*) sleep 1 ;; *) break ;; esac
done
expect 200 GET "$GROUP/messages/$MESSAGE"
lacks rum
expect 200 GET "/v1/users/$BOB"
lacks Bob
