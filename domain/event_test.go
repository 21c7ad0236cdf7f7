package domain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

var update = flag.Bool("update", false, "write the golden files of new events; never change one that was stored")

// goldens has one event of every type.
var goldens = []domain.Event{
	domain.UserRegistered{DisplayName: "Ada <ada> & \"Co\""},
	domain.ProfileChanged{
		DisplayName: new("Ada <ada>"), Handle: new("ada"), Bio: new("hé\n\"\\ </script>"), AvatarURL: new("https://cdn.example/a.png?x=1&y=2"),
	},
	domain.UserBlocked{UserID: bob},
	domain.UserUnblocked{UserID: bob},
	domain.UserErased{},
	domain.ConversationCreated{Kind: domain.Group, Name: "crew"},
	domain.ConversationRenamed{Name: new("staff"), Topic: new("plans & <other> things")},
	domain.MemberAdded{UserID: bob, Role: domain.RoleMember},
	domain.MemberRoleChanged{UserID: bob, Role: domain.RoleOwner},
	domain.MemberRemoved{UserID: bob},
	domain.MemberErased{UserID: bob},
	domain.MessageSent{Body: "hé 👩‍👩‍👧\n\t\"\\ </script>", ReplyTo: person("first")},
	domain.MessageEdited{MessageRef: messageOf(ann).MessageRef, Body: "hé 👩‍👩‍👧\n"},
	domain.MessageDeleted{MessageRef: messageOf(ann).MessageRef},
	domain.MessagePinned{MessageRef: messageOf(ann).MessageRef},
	domain.MessageUnpinned{MessageRef: messageOf(ann).MessageRef},
	domain.ReactionAdded{MessageRef: messageOf(ann).MessageRef, Emoji: "👍🏽"},
	domain.ReactionRemoved{MessageRef: messageOf(ann).MessageRef, Emoji: "👩‍👩‍👧"},
	domain.ReadAdvanced{Seq: 42},
}

// variants has further shapes of the types in goldens, by the names of their
// files: fields that came later, and those that are absent or empty.
var variants = map[string]domain.Event{
	"message.sent.mentions":         domain.MessageSent{Body: "@bob @cat", ReplyTo: person("first"), Mentions: []domain.ID{bob, cat}},
	"message.sent.erased":           domain.MessageSent{ReplyTo: person("first"), Mentions: []domain.ID{bob}, Erased: true},
	"message.edited.erased":         domain.MessageEdited{MessageRef: messageOf(ann).MessageRef, Erased: true},
	"conversation.created.direct":   domain.ConversationCreated{Kind: domain.Direct},
	"conversation.renamed.no_topic": domain.ConversationRenamed{Topic: new("")},
	"user.profile_changed.cleared":  domain.ProfileChanged{Handle: new(""), Bio: new("")},
	"user.profile_changed.erased":   domain.ProfileChanged{},
	"user.registered.erased":        domain.UserRegistered{},
}

// examples has all goldens and variants, by the names of their files.
func examples() map[string]domain.Event {
	all := maps.Clone(variants)
	for _, e := range goldens {
		all[e.Type()] = e
	}
	return all
}

// TestEventPayloads holds the stored shape of each event: what is in a log
// must be read for ever.
func TestEventPayloads(t *testing.T) {
	for name, e := range examples() {
		t.Run(name, func(t *testing.T) {
			payload := encode(t, e)
			golden := goldenFile(t, name, payload)
			require.Equal(t, strings.TrimSpace(string(golden)), string(payload))

			decoded, err := domain.DecodeEvent(e.Type(), domain.Schema, golden)
			require.NoError(t, err)
			require.Equal(t, e, decoded)
		})
	}
	for _, name := range eventTypes(t) {
		require.Contains(t, examples(), name, "%s needs an example in goldens", name)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "events", "*.json"))
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		require.Contains(t, examples(), name, "%s was stored, so it needs an example still", file)
	}
}

// goldenFile reads an example's file, which -update writes when there is none.
func goldenFile(t *testing.T, name string, payload []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", "events", name+".json")
	if _, err := os.Stat(file); *update && errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, os.WriteFile(file, append(payload, '\n'), 0o644))
	}
	golden, err := os.ReadFile(file)
	require.NoError(t, err, "every event has a golden file; make it with go test ./domain -update")
	return golden
}

// encode writes a payload as the log does: markup stays readable.
func encode(t testing.TB, e domain.Event) []byte {
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
	indecisive := []string{"message.", "reaction.", "read."}
	for _, e := range examples() {
		decisive := !slices.ContainsFunc(indecisive, func(noun string) bool { return strings.HasPrefix(e.Type(), noun) })
		require.Equal(t, decisive, e.Decisive(), e.Type())
	}
}

// TestIndecisiveEventsChangeNoState: a state is folded from decisive events
// alone, so the others must not matter to it.
func TestIndecisiveEventsChangeNoState(t *testing.T) {
	for _, e := range examples() {
		if e.Decisive() {
			continue
		}
		c := fold(group())
		c.Evolve(e)
		require.Equal(t, fold(group()), c, e.Type())
		u := foldUser(registered())
		u.Evolve(e)
		require.Equal(t, foldUser(registered()), u, e.Type())
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
	for _, e := range examples() {
		payload, err := json.Marshal(e)
		require.NoError(f, err)
		f.Add(e.Type(), payload)
	}
	for _, e := range goldens {
		f.Add(e.Type(), []byte(`{}`))
		f.Add(e.Type(), []byte(`null`))
	}
	f.Add("member.added", []byte(`{"user_id":null,"role":null}`))
	f.Add("message.sent", []byte(`{"body":"a\xff","mentions":[]}`))
	f.Fuzz(func(t *testing.T, typ string, payload []byte) {
		e, err := domain.DecodeEvent(typ, domain.Schema, payload)
		if err != nil {
			return
		}
		require.Equal(t, typ, e.Type())
		fold([]domain.Event{e, e})
		foldUser([]domain.Event{e, e})
		if roleless(e) {
			return // nobody writes such a payload; its "" is no role that could be read
		}
		// The bytes are compared: a list that is empty is the same as none.
		stored := encode(t, e)
		decoded, err := domain.DecodeEvent(typ, domain.Schema, stored)
		require.NoError(t, err)
		require.Equal(t, string(stored), string(encode(t, decoded)))
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
