#!/bin/sh
# What is unread: counts, mentions, read markers, and the total for a badge.
. "$(dirname "$0")/lib.sh"

person Bob; BOB=$ID AS_BOB=$TOKEN
HANDLE=bob_$RUN
expect 200 PATCH /v1/users/me "{\"handle\":\"$HANDLE\"}"
person Ada; AS_ADA=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"direct\",\"members\":[\"$BOB\"]}"
TALK=/v1/conversations/$(field id)

say "Ada writes three messages; one names Bob by his handle"
expect 201 POST "$TALK/messages" '{"body":"Good morning!"}'
expect 201 POST "$TALK/messages" "{\"body\":\"@$HANDLE, are you there?\"}"
has "$BOB"
expect 201 POST "$TALK/messages" '{"body":"The wind is turning."}'

say "Bob has three unread, one of which mentions him"
TOKEN=$AS_BOB
expect 200 GET /v1/conversations
has '"unread_count":3,"unread_mentions":1'
expect 200 GET /v1/users/me/unread
has '"unread_count":3,"unread_mentions":1,"conversations":1'

say "He reads up to the second; the marker never moves back"
expect 200 PUT "$TALK/read" '{"seq":5}'
expect 200 PUT "$TALK/read" '{"seq":4}'
expect 200 GET /v1/users/me/unread
has '"unread_count":1,"unread_mentions":0,"conversations":1'

say "What one sends oneself counts as read"
expect 201 POST "$TALK/messages" '{"body":"I am here."}'
expect 200 GET /v1/users/me/unread
has '"unread_count":0,"unread_mentions":0,"conversations":0'
