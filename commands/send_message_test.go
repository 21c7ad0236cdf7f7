package commands_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

func TestSendMessage(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "eve")
	crew := n.group(t, ann, bob)

	t.Run("answers the message as it was recorded", func(t *testing.T) {
		body := " hé 👩‍👩‍👧\n<b>&</b> \u2028"
		a := n.do(t, sendRequest(bob, crew, "k1", body)).is(http.StatusCreated)
		m := into[web.Message](a)
		require.Equal(t, body, m.Body)
		require.Equal(t, crew, m.ConversationID)
		require.Equal(t, bob.ID, m.AuthorID)
		require.Equal(t, int64(4), m.Seq, "after its creation and two members")
		require.Nil(t, m.ReplyTo)
		require.NotZero(t, m.SentAt)
		require.False(t, a.replayed())
		require.Equal(t, n.log.PartitionOf(crew), a.position().Partition)
		for _, field := range []string{`"reactions":[]`, `"edited_at":null`, `"deleted_at":null`, `"reply_to":null`, `"pinned":false`} {
			require.Contains(t, string(a.body), field)
		}
	})
	t.Run("replies to a message the instant after it was sent", func(t *testing.T) {
		first := into[web.Message](n.do(t, sendRequest(bob, crew, "", "first")).is(http.StatusCreated))
		reply := sendRequest(ann, crew, "", "yes")
		reply.body = map[string]any{"body": "yes", "reply_to": first.ID}
		require.Equal(t, first.ID, *into[web.Message](n.do(t, reply).is(http.StatusCreated)).ReplyTo)
	})
	t.Run("takes null for no reply", func(t *testing.T) {
		r := sendRequest(ann, crew, "", "")
		r.body = `{"body":"hello","reply_to":null}`
		require.Nil(t, into[web.Message](n.do(t, r).is(http.StatusCreated)).ReplyTo)
	})

	elsewhere := into[web.Message](n.do(t, sendRequest(ann, n.group(t, ann), "", "elsewhere")).is(http.StatusCreated))
	bodies := map[string]struct {
		body   string
		status int
		code   string
	}{
		"no message replied to":            {`{"body":"x","reply_to":"` + uuid.NewString() + `"}`, 404, "message_not_found"},
		"a reply to another conversation":  {`{"body":"x","reply_to":"` + elsewhere.ID.String() + `"}`, 404, "message_not_found"},
		"an unknown field":                 {`{"body":"x","colour":"red"}`, 422, "validation"},
		"a field in another case":          {`{"Body":"x"}`, 422, "validation"},
		"a wrong type":                     {`{"body":7}`, 422, "validation"},
		"no body field":                    {`{}`, 422, "validation"},
		"a reply_to that is no id":         {`{"body":"x","reply_to":"first"}`, 422, "validation"},
		"a reply_to in another form":       {`{"body":"x","reply_to":"urn:uuid:` + uuid.NewString() + `"}`, 422, "validation"},
		"what is no JSON":                  {`{"body":`, 400, "validation"},
		"nothing":                          {``, 400, "validation"},
		"an array":                         {`[]`, 422, "validation"},
		"half a surrogate pair":            {`{"body":"a\ud800b"}`, 400, "validation"},
		"the other half":                   {`{"body":"a\udc00b"}`, 400, "validation"},
		"two first halves":                 {`{"body":"\ud83d\ud83d"}`, 400, "validation"},
		"what is no UTF-8":                 {"{\"body\":\"a\xffb\"}", 400, "validation"},
		"a NUL":                            {`{"body":"a\u0000b"}`, 422, "body_invalid"},
		"white space alone":                {`{"body":" \n\t "}`, 422, "body_empty"},
		"4,001 characters":                 {`{"body":"` + strings.Repeat("ö", 4001) + `"}`, 422, "body_too_long"},
		"more than a request may be large": {`{"body":"` + strings.Repeat("o", 70_000) + `"}`, 413, "body_too_large"},
	}
	before := len(n.events(t, crew))
	for name, b := range bodies {
		t.Run("refuses "+name, func(t *testing.T) {
			r := sendRequest(ann, crew, "", "")
			r.body = b.body
			a := n.do(t, r).refused(b.status, b.code)
			require.NotContains(t, string(a.body), "ööö", "what was sent is not repeated")
		})
	}
	t.Run("names the field that is wrong", func(t *testing.T) {
		r := sendRequest(ann, crew, "", "")
		r.body = `{"body":"x","reply_to":"first"}`
		require.Equal(t, "body.reply_to", into[web.Error](n.do(t, r)).Errors[0].Location)
		r.path = "/v1/conversations/first/messages"
		require.Equal(t, "path.conversation_id", into[web.Error](n.do(t, r).refused(422, "validation")).Errors[0].Location)
	})
	t.Run("takes a message of full length, all in escapes", func(t *testing.T) {
		r := sendRequest(ann, crew, "", "")
		r.body = `{"body":"` + strings.Repeat(`\ud83d\ude00`, 4000) + `"}`
		require.Equal(t, strings.Repeat("😀", 4000), into[web.Message](n.do(t, r).is(http.StatusCreated)).Body)
		before++
	})
	t.Run("refuses another media type", func(t *testing.T) {
		r := sendRequest(ann, crew, "", "x")
		r.header = http.Header{"Content-Type": {"text/plain"}}
		n.do(t, r).refused(415, "unsupported_media_type")
	})
	t.Run("refuses an outsider, whatever they send", func(t *testing.T) {
		n.do(t, sendRequest(eve, crew, "", "hello")).refused(404, "conversation_not_found")
		n.do(t, sendRequest(eve, domain.ID(uuid.New()), "", "hello")).refused(404, "conversation_not_found")
		r := sendRequest(eve, crew, "", "")
		r.body = map[string]any{"body": "x", "reply_to": uuid.NewString()}
		n.do(t, r).refused(404, "conversation_not_found")
	})
	t.Run("refuses a reader", func(t *testing.T) {
		n.do(t, request{method: "POST", path: "/v1/conversations/" + crew.String() + "/members", token: ann.Token,
			body: map[string]any{"user_id": eve.ID, "role": "reader"}}).is(http.StatusCreated)
		before++
		n.do(t, sendRequest(eve, crew, "", "hello")).refused(403, "forbidden")
	})
	t.Run("refuses without a token", func(t *testing.T) {
		a := n.do(t, sendRequest(person{}, crew, "", "hello")).refused(401, "unauthenticated")
		require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
	})
	require.Len(t, n.events(t, crew), before, "a refusal leaves nothing in the log")
}

func TestIdempotency(t *testing.T) {
	s := newSystem(t)
	n := s.start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")
	crew := n.group(t, ann, bob)
	first := n.do(t, sendRequest(ann, crew, "key-1", "hello")).is(http.StatusCreated)

	same := func(t *testing.T, again answer) {
		t.Helper()
		again.is(http.StatusCreated)
		require.JSONEq(t, string(first.body), string(again.body))
		require.True(t, again.replayed())
		require.Equal(t, first.position(), again.position())
	}
	t.Run("a retry answers as the first time", func(t *testing.T) {
		same(t, n.do(t, sendRequest(ann, crew, "key-1", "hello")))
	})
	t.Run("after other messages too", func(t *testing.T) {
		n.do(t, sendRequest(ann, crew, "", "between")).is(http.StatusCreated)
		same(t, n.do(t, sendRequest(ann, crew, "key-1", "hello")))
	})
	t.Run("on another node too", func(t *testing.T) {
		same(t, s.start().do(t, sendRequest(ann, crew, "key-1", "hello")))
	})
	t.Run("refuses the key with another body", func(t *testing.T) {
		n.do(t, sendRequest(ann, crew, "key-1", "hello!")).refused(409, "idempotency_key_reused")
	})
	t.Run("another person's same key is another key", func(t *testing.T) {
		a := n.do(t, sendRequest(bob, crew, "key-1", "hello")).is(http.StatusCreated)
		require.False(t, a.replayed())
		require.Equal(t, bob.ID, into[web.Message](a).AuthorID)
	})
	t.Run("many at once make one message", func(t *testing.T) {
		other := s.start()
		before := len(n.events(t, crew))
		answers := atOnce(32, func(i int) answer {
			return []*node{n, other}[i%2].do(t, sendRequest(ann, crew, "key-2", "once"))
		})
		fresh := 0
		for _, a := range answers {
			a.is(http.StatusCreated)
			require.JSONEq(t, string(answers[0].body), string(a.body))
			if !a.replayed() {
				fresh++
			}
		}
		require.Equal(t, 1, fresh)
		require.Len(t, n.events(t, crew), before+1)
	})
	t.Run("refuses a malformed key", func(t *testing.T) {
		for _, key := range []string{strings.Repeat("k", 129), "a b", "ö", "a\tb"} {
			n.do(t, sendRequest(ann, crew, key, "hello")).refused(400, "idempotency_key_invalid")
		}
		r := sendRequest(ann, crew, "", "hello")
		for _, keys := range [][]string{{""}, {"a", "b"}} {
			r.header = http.Header{"Idempotency-Key": keys}
			n.do(t, r).refused(400, "idempotency_key_invalid")
		}
		n.do(t, sendRequest(ann, crew, strings.Repeat("k", 128), "hello")).is(http.StatusCreated)
	})
	t.Run("a retry of what was refused may succeed", func(t *testing.T) {
		eve := n.person(t, "eve")
		n.do(t, sendRequest(eve, crew, "early", "hello")).refused(404, "conversation_not_found")
		n.do(t, request{method: "POST", path: "/v1/conversations/" + crew.String() + "/members", token: ann.Token,
			body: map[string]any{"user_id": eve.ID}}).is(http.StatusCreated)
		n.do(t, sendRequest(eve, crew, "early", "hello")).is(http.StatusCreated)
	})
	t.Run("after a restart too", func(t *testing.T) {
		n.stop()
		same(t, s.start().do(t, sendRequest(ann, crew, "key-1", "hello")))
	})
}

func TestOrder(t *testing.T) {
	n := newSystem(t).start()
	ann := n.person(t, "ann")
	crew := n.group(t, ann)
	answers := atOnce(64, func(i int) answer { return n.do(t, sendRequest(ann, crew, "", strconv.Itoa(i))) })
	seqs := map[int64]bool{}
	for _, a := range answers {
		seqs[into[web.Message](a.is(http.StatusCreated)).Seq] = true
	}
	for seq := int64(3); seq < 3+64; seq++ {
		require.True(t, seqs[seq], "no message has seq %d", seq)
	}
}
