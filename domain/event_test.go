package domain_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

var update = flag.Bool("update", false, "write the golden files of new events; never change one that was stored")

// goldens has one event of every type, with every field set.
var goldens = []domain.Event{
	domain.UserRegistered{DisplayName: "Ada <ada> & \"Co\""},
	domain.ConversationCreated{Kind: domain.Group, Name: "crew"},
	domain.MemberAdded{UserID: bob, Role: domain.RoleMember},
	domain.MemberRoleChanged{UserID: bob, Role: domain.RoleOwner},
	domain.MemberRemoved{UserID: bob},
	domain.MessageSent{Body: "hé 👩‍👩‍👧\n\t\"\\ </script>", ReplyTo: person("first")},
	domain.ReadAdvanced{Seq: 42},
}

// TestEventPayloads holds the stored shape of each event: what is in a log
// must be read for ever.
func TestEventPayloads(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range goldens {
		t.Run(e.Type(), func(t *testing.T) {
			seen[e.Type()] = true
			file := filepath.Join("testdata", "events", e.Type()+".json")
			payload := encode(t, e)
			if *update {
				require.NoError(t, os.WriteFile(file, append(payload, '\n'), 0o644))
			}
			golden, err := os.ReadFile(file)
			require.NoError(t, err, "every event has a golden file; make it with go test ./domain -update")
			require.Equal(t, strings.TrimSpace(string(golden)), string(payload))

			decoded, err := domain.DecodeEvent(e.Type(), domain.Schema, golden)
			require.NoError(t, err)
			require.Equal(t, e, decoded)
		})
	}
	for _, name := range eventTypes(t) {
		require.True(t, seen[name], "%s needs an example in goldens", name)
	}
}

// encode writes a payload as the log does: markup stays readable.
func encode(t *testing.T, e domain.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(e))
	return bytes.TrimSpace(b.Bytes())
}

// eventTypes reads from the package's source what its methods Type return.
func eventTypes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var types []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Type" {
				continue
			}
			literal := f.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.BasicLit)
			types = append(types, strings.Trim(literal.Value, `"`))
		}
	}
	require.NotEmpty(t, types)
	return types
}

// TestDecisiveEvents names the events that state is loaded from. One that is
// missing here would be forgotten when a state is loaded again.
func TestDecisiveEvents(t *testing.T) {
	for _, e := range goldens {
		decisive := !strings.HasPrefix(e.Type(), "message.") && !strings.HasPrefix(e.Type(), "read.")
		require.Equal(t, decisive, e.Decisive(), e.Type())
	}
}

// TestIndecisiveEventsChangeNoState: a state is folded from decisive events
// alone, so the others must not matter to it.
func TestIndecisiveEventsChangeNoState(t *testing.T) {
	for _, e := range goldens {
		if e.Decisive() {
			continue
		}
		c := fold(group())
		c.Evolve(e)
		require.Equal(t, fold(group()), c, e.Type())
	}
}

func TestDecodeEvent(t *testing.T) {
	t.Run("refuses a type of a newer version", func(t *testing.T) {
		_, err := domain.DecodeEvent("message.vanished", domain.Schema, []byte(`{}`))
		require.ErrorIs(t, err, domain.ErrUnknownEvent)
	})
	t.Run("refuses a schema of a newer version", func(t *testing.T) {
		_, err := domain.DecodeEvent("message.sent", domain.Schema+1, []byte(`{"body":"x"}`))
		require.ErrorIs(t, err, domain.ErrUnknownEvent)
	})
	t.Run("names the event that it cannot read", func(t *testing.T) {
		_, err := domain.DecodeEvent("member.added", domain.Schema, []byte(`{"role":"king"}`))
		require.ErrorContains(t, err, "decode member.added")
	})
}

func FuzzDecodeEvent(f *testing.F) {
	for _, e := range goldens {
		payload, err := json.Marshal(e)
		require.NoError(f, err)
		f.Add(e.Type(), payload)
	}
	f.Add("member.added", []byte(`{"user_id":null,"role":null}`))
	f.Fuzz(func(t *testing.T, typ string, payload []byte) {
		e, err := domain.DecodeEvent(typ, domain.Schema, payload)
		if err != nil {
			return
		}
		require.Equal(t, typ, e.Type())
		again, err := json.Marshal(e)
		require.NoError(t, err)
		fold([]domain.Event{e, e})
		if roleless(e) {
			return // nobody writes such a payload; its "" is no role that could be read
		}
		decoded, err := domain.DecodeEvent(typ, domain.Schema, again)
		require.NoError(t, err)
		require.Equal(t, e, decoded)
	})
}

func roleless(e domain.Event) bool {
	switch e := e.(type) {
	case domain.MemberAdded:
		return e.Role == domain.NoRole
	case domain.MemberRoleChanged:
		return e.Role == domain.NoRole
	}
	return false
}
