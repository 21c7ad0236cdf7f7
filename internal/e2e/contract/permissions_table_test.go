package contract

import "ping/internal/e2e/harness"

// upgrade are the headers that open a stream.
var upgrade = []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13",
	"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol", "ping.v1.json"}

const (
	conversation = "/v1/conversations/{conversation_id}"
	aMember      = conversation + "/members/{user_id}"
	aMessage     = conversation + "/messages/{message_id}"
	aStealth     = conversation + "/stealth/{stealth_id}"
	aReaction    = aMessage + "/reactions/{emoji}"
	noMessage    = "404 message_not_found"
)

// permissions say for every route who may do what. For the answers that no rule
// has a name for, the order is outsider, reader, member, admin, owner, blocked,
// former member.
var permissions = []row{
	{route: "GET /healthz", open: true, answers: everyone("200")},
	{route: "GET /readyz", open: true, answers: everyone("200")},
	{route: "GET /metrics", open: true, answers: everyone("200")},
	{route: "GET /docs", open: true, answers: everyone("200")},
	{route: "GET /docs/protocol", open: true, answers: everyone("200")},
	{route: "GET /docs/scalar.js", open: true, answers: everyone("200")},
	{route: "GET /docs/start.js", open: true, answers: everyone("200")},
	{route: "GET /openapi.json", open: true, answers: everyone("200")},
	{route: "GET /asyncapi.json", open: true, answers: everyone("200")},
	{route: "GET /v1/stream", header: upgrade, answers: everyone("101")},

	{route: "POST /v1/auth/register", body: `{"email":"$email","password":"` + harness.Password + `","display_name":"Someone"}`, open: true, answers: everyone("201")},
	{route: "POST /v1/auth/login", body: `{"email":"user1@example.org","password":"` + harness.Password + `"}`, open: true, answers: everyone("200")},
	{route: "POST /v1/auth/login", body: `{"email":"user1@example.org","password":"another"}`, open: true, answers: everyone("401 invalid_credentials")},
	{route: "POST /v1/auth/refresh", body: `{"refresh_token":"$refresh"}`, open: true, answers: everyone("200")},
	{route: "POST /v1/auth/refresh", body: `{"refresh_token":"made up"}`, open: true, answers: everyone("401 refresh_token_invalid")},
	{route: "POST /v1/auth/logout", last: true, answers: everyone("204")},
	{route: "POST /v1/auth/ticket", answers: everyone("201")},

	{route: "GET /v1/users/me", answers: everyone("200")},
	{route: "PATCH /v1/users/me", body: `{"bio":"Counts."}`, answers: everyone("200")},
	{route: "DELETE /v1/users/me", body: `{"password":"` + harness.Password + `"}`, last: true, answers: everyone("202")},
	{route: "GET /v1/users/me/export", answers: everyone("200")},
	{route: "GET /v1/users/me/unread", answers: everyone("200")},
	{route: "GET /v1/users/me/blocks", answers: everyone("200")},
	{route: "PUT /v1/users/me/blocks/{user_id}", about: "$target", answers: everyone("204")},
	{route: "DELETE /v1/users/me/blocks/{user_id}", about: "$target", answers: everyone("204")},
	{route: "GET /v1/users", query: "query=u", answers: everyone("200")},
	{route: "GET /v1/users/{user_id}", about: "$target", answers: everyone("200")},

	{route: "GET /v1/search", query: "q=secret", answers: everyone("200")},
	{route: "GET /v1/search", query: "q=secret&conversation_id={conversation_id}", answers: insiders("200")},

	{route: "GET /v1/conversations", answers: everyone("200")},
	{route: "POST /v1/conversations", body: `{"kind":"group","name":"crew","members":["$newcomer"]}`, answers: everyone("201")},
	{route: "POST /v1/conversations", body: `{"kind":"direct","members":["$stranger"]}`,
		answers: answers{"201", "201", "201", "201", "201", noSend, "201"}},
	{route: "POST /v1/conversations", body: `{"kind":"group","name":"crew","members":["$nobody"]}`, answers: everyone("404 user_not_found")},
	{route: "GET " + conversation, answers: insiders("200")},
	{route: "PATCH " + conversation, body: `{"topic":"Ropes"}`, answers: admins("200", noRoles)},
	{route: "GET " + conversation + "/events", answers: insiders("200")},
	{route: "GET " + conversation + "/pins", answers: insiders("200")},
	{route: "PUT " + conversation + "/read", body: `{"seq":1}`, answers: insiders("200")},

	{route: "GET " + conversation + "/members", answers: insiders("200")},
	{route: "POST " + conversation + "/members", body: `{"user_id":"$newcomer"}`, answers: admins("201", noRoles)},
	{route: "POST " + conversation + "/members", body: `{"user_id":"$newcomer","role":"reader"}`, answers: admins("201", noRoles)},
	{route: "POST " + conversation + "/members", body: `{"user_id":"$newcomer","role":"admin"}`, answers: owners("201", noRoles)},
	{route: "POST " + conversation + "/members", body: `{"user_id":"$newcomer","role":"owner"}`, answers: owners("201", noRoles)},
	{route: "POST " + conversation + "/members", body: `{"user_id":"$target"}`, answers: admins("200", noRoles)},
	{route: "POST " + conversation + "/members", body: `{"user_id":"$nobody"}`, answers: admins("404 user_not_found", noRoles)},
	{route: "PATCH " + aMember, about: "$target", body: `{"role":"reader"}`, answers: admins("200", noRoles)},
	{route: "PATCH " + aMember, about: "$target", body: `{"role":"admin"}`, answers: owners("200", noRoles)},
	{route: "PATCH " + aMember, about: "$target", body: `{"role":"owner"}`, answers: owners("200", noRoles)},
	{route: "PATCH " + aMember, about: "$boss", body: `{"role":"member"}`, answers: owners("200", noRoles)},
	{route: "PATCH " + aMember, about: "$newcomer", body: `{"role":"member"}`, answers: admins("404 member_not_found", noRoles)},
	{route: "PATCH " + aMember, about: "$self", body: `{"role":"reader"}`,
		answers: answers{hidden, "200", "200", "200", "409 last_owner", noRoles, hidden}},
	{route: "PATCH " + aMember, about: "$self", body: `{"role":"owner"}`,
		answers: answers{hidden, forbidden, forbidden, forbidden, "200", noRoles, hidden}},
	{route: "DELETE " + aMember, about: "$target", answers: admins("204", noRoles)},
	{route: "DELETE " + aMember, about: "$boss", answers: owners("204", noRoles)},
	{route: "DELETE " + aMember, about: "$self", answers: answers{hidden, "204", "204", "204", "204", noRoles, hidden}},

	{route: "GET " + conversation + "/messages", answers: insiders("200")},
	{route: "POST " + conversation + "/messages", body: `{"body":"hello"}`, answers: writers("201")},
	{route: "POST " + conversation + "/messages", body: `{"body":"hello","reply_to":"$others"}`, answers: writers("201")},
	{route: "POST " + conversation + "/messages", body: `{"body":"hello","reply_to":"$elsewhere"}`, answers: writers(noMessage)},
	{route: "GET " + conversation + "/stealth", answers: insiders("200")},
	{route: "POST " + conversation + "/stealth", body: `{"body":"psst","ttl_seconds":60}`, answers: writers("201")},
	{route: "DELETE " + aStealth, about: "$psst", answers: insiders("204")},
	{route: "DELETE " + aStealth, about: "$theirs", answers: insiders(forbidden)},
	{route: "DELETE " + aStealth, about: "$nobody", answers: insiders("204")},
	{route: "PUT " + conversation + "/typing", body: `{"on":true}`, answers: writers("204")},
	{route: "GET " + conversation + "/presence", answers: insiders("200")},
	{route: "GET " + aMessage, about: "$others", answers: insiders("200")},
	{route: "GET " + aMessage, about: "$elsewhere", answers: insiders(noMessage)},
	{route: "PATCH " + aMessage, about: "$own", body: `{"body":"hello again"}`,
		answers: answers{hidden, forbidden, "200", "200", "200", noSend, hidden}},
	{route: "PATCH " + aMessage, about: "$others", body: `{"body":"hello again"}`,
		answers: answers{hidden, forbidden, forbidden, forbidden, forbidden, noSend, hidden}},
	{route: "PATCH " + aMessage, about: "$elsewhere", body: `{"body":"hello again"}`, answers: writers(noMessage)},
	{route: "DELETE " + aMessage, about: "$own", answers: answers{hidden, forbidden, "204", "204", "204", "204", hidden}},
	{route: "DELETE " + aMessage, about: "$others", answers: admins("204", forbidden)},
	{route: "DELETE " + aMessage, about: "$elsewhere", answers: answers{hidden, forbidden, noMessage, noMessage, noMessage, noMessage, hidden}},
	{route: "PUT " + aReaction, about: "$others", answers: writers("200")},
	{route: "PUT " + aReaction, about: "$elsewhere", answers: writers(noMessage)},
	{route: "DELETE " + aReaction, about: "$others", answers: writers("200")},
	{route: "PUT " + aMessage + "/pin", about: "$others", answers: admins("200", noSend)},
	{route: "PUT " + aMessage + "/pin", about: "$elsewhere", answers: admins(noMessage, noSend)},
	{route: "DELETE " + aMessage + "/pin", about: "$others", answers: admins("200", noSend)},
}
