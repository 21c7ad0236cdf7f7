package contract

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/e2e/harness"
)

// TestBodiesComeBackAsTheyWere: what is accepted is the same in the answer, in
// the history and in the log, byte for byte, however the client wrote its JSON;
// everything else is refused by the rule that it breaks.
func TestBodiesComeBackAsTheyWere(t *testing.T) {
	s := newCast(t)
	ada := s.register(t)
	conversation := "/v1/conversations/" + s.group(t, ada, "alone")
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		body := drawBody(rt)
		r := s.ask(t, ada.Token, "POST "+conversation+"/messages", `{"body":`+drawJSON(rt, body)+`}`)
		want := ruleFor(body)
		require.Equal(rt, want, r.summary())
		if want != "201" {
			return
		}
		accepted++
		var sent struct {
			Body string
			Seq  int64
		}
		require.NoError(rt, json.Unmarshal([]byte(r.raw), &sent))
		require.Equal(rt, body, sent.Body, "the answer")

		var history struct{ Items []struct{ Body string } }
		s.read(t, ada, conversation+"/messages?limit=1", &history)
		require.Equal(rt, body, history.Items[0].Body, "the history")

		var log struct {
			Items []struct{ Data struct{ Body string } }
		}
		s.read(t, ada, conversation+"/events?limit=1&after="+strconv.FormatInt(sent.Seq-1, 10), &log)
		require.Equal(rt, body, log.Items[0].Data.Body, "the log")
	})
	require.Greater(t, accepted, 10)
}

func (s *cast) read(t *testing.T, who *harness.Client, path string, into any) {
	t.Helper()
	r := s.ask(t, who.Token, "GET "+path, "")
	require.Equal(t, "200", r.summary(), r.raw)
	require.NoError(t, json.Unmarshal([]byte(r.raw), into))
}

// hardRunes have gone wrong in one program or another.
var hardRunes = []rune("\x00\x01\t\n\r \"'\\/<>&\x7f\u0085\u00a0\u00ad\u200b\u200d\u2028\u2029\u202e\u3000\ufe0f\ufeff\ufffd\uffff\U0001f600\U0010ffff")

func drawBody(t *rapid.T) string {
	runes := rapid.OneOf(rapid.SampledFrom(hardRunes[1:]), rapid.Rune())
	if rapid.IntRange(0, 9).Draw(t, "with NUL") == 0 {
		runes = rapid.OneOf(rapid.SampledFrom(hardRunes), rapid.Rune())
	}
	body := rapid.StringOf(runes).Draw(t, "body")
	if rapid.IntRange(0, 4).Draw(t, "long") == 0 {
		filler := string(rapid.SampledFrom([]rune("aé漢\U0001f600")).Draw(t, "filler"))
		body += strings.Repeat(filler, max(0, domain.MaxBody+rapid.IntRange(-2, 2).Draw(t, "beyond")-utf8.RuneCountInString(body)))
	}
	return body
}

// drawJSON writes a text as one of many JSON strings that mean it.
func drawJSON(t *rapid.T, text string) string {
	if rapid.Bool().Draw(t, "as the library does") {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		return string(encoded)
	}
	all := rapid.Bool().Draw(t, "all escaped")
	var b strings.Builder
	for _, r := range text {
		switch {
		case r > 0xffff && all:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04X`, high, low)
		case all || r < ' ' || r == '"' || r == '\\':
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// ruleFor is what the contract answers to a body.
func ruleFor(body string) string {
	trimmed := strings.TrimFunc(body, unicode.IsSpace)
	switch {
	case strings.ContainsRune(body, 0):
		return "422 body_invalid"
	case trimmed == "":
		return "422 body_empty"
	case utf8.RuneCountInString(trimmed) > domain.MaxBody:
		return "422 body_too_long"
	}
	return "201"
}
