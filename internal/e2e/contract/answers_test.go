package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/paths"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files of new answers; to change one on purpose, delete it first")

// step is one request of the scenario.
type step struct {
	// name is the operation, or the operation.what when it is asked once more:
	// what is a refusal's code. Its golden file is called so. Without a name the
	// step only prepares others.
	name string
	by   string // whose token it carries
	what string
	body string
	// makes is what later steps call the id in the answer, after a $; of a
	// session it is its user.
	makes  string
	header []string
}

// golden is what an answer's file holds.
type golden struct {
	Request string            `json:"request"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// shown are the headers that clients may rely on.
var shown = []string{"Allow", "Cache-Control", "Content-Disposition", "Content-Type", "Etag", "Idempotent-Replayed",
	"Ping-Position", "Retry-After", "Sec-Websocket-Protocol", "Upgrade", "Www-Authenticate"}

// told is a scenario while it runs.
type told struct {
	*cast
	contract *v3.Document
	check    validator.Validator
	tokens   map[string]string // by user
	names    map[string]string // what requests say for $name
	ids      map[string]string // what golden files say for an id
}

// TestAnswers holds what each operation answers, byte for byte but for what
// differs each time, to its golden file and to the contract.
func TestAnswers(t *testing.T) {
	s := &told{cast: newCast(t), tokens: map[string]string{}, names: map[string]string{}, ids: map[string]string{}}
	s.readContract(t)
	named := map[string]bool{}
	for _, step := range scenario {
		r := s.take(t, step)
		if step.name != "" {
			require.False(t, named[step.name], "two steps are called %s", step.name)
			named[step.name] = true
			s.compare(t, step, r)
		}
	}
	for _, item := range s.contract.Paths.PathItems.FromOldest() {
		for _, operation := range item.GetOperations().FromOldest() {
			require.True(t, named[operation.OperationId], "%s needs a step in scenario: what does it answer?", operation.OperationId)
		}
	}
	files, err := filepath.Glob(goldenAnswer("*"))
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, named[strings.TrimSuffix(filepath.Base(file), ".json")], "%s is of no step", file)
	}
}

func (s *told) readContract(t *testing.T) {
	t.Helper()
	document, err := libopenapi.NewDocument([]byte(s.ask(t, "", "GET /openapi.json", "").raw))
	require.NoError(t, err)
	model, err := document.BuildV3Model()
	require.NoError(t, err)
	s.contract, s.check = &model.Model, validator.NewValidatorFromV3Model(&model.Model)
}

// take sends a step's request, holds the answer to the contract and remembers
// what it made.
func (s *told) take(t *testing.T, step step) reply {
	t.Helper()
	r := s.ask(t, s.tokens[step.by], s.fill(step.what), s.fill(step.body), step.header...)
	_, code, _ := strings.Cut(step.name, ".")
	if r.status >= http.StatusBadRequest {
		require.Equal(t, code, r.problem().Code, "%s: %s", step.what, r.raw)
	}
	s.validate(t, step, r)
	var made struct {
		ID      string
		User    struct{ ID string }
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	_ = json.Unmarshal([]byte(r.raw), &made) // not every answer has a body
	if made.Access != "" {
		made.ID, s.tokens[step.makes], s.names["$refresh"] = made.User.ID, made.Access, made.Refresh
	}
	if step.makes != "" {
		require.NotEmpty(t, made.ID, "%s: %s", step.what, r.raw)
		s.names["$"+step.makes] = made.ID
	}
	return r
}

func (s *told) fill(text string) string {
	return regexp.MustCompile(`\$\w+`).ReplaceAllStringFunc(text, func(name string) string { return s.names[name] })
}

// validate checks that the contract has this status and this body for what was
// asked, which has to be the operation that the step is named by.
func (s *told) validate(t *testing.T, step step, r reply) {
	t.Helper()
	method, path, _ := strings.Cut(s.fill(step.what), " ")
	request, err := http.NewRequestWithContext(t.Context(), method, s.base+path, nil)
	require.NoError(t, err)
	if operation, _, _ := strings.Cut(step.name, "."); operation != "" {
		item, problems, _ := paths.FindPath(request, s.contract, nil)
		require.Empty(t, problems)
		require.Equal(t, item.GetOperations().GetOrZero(strings.ToLower(method)).OperationId, operation, step.what)
	}
	response := &http.Response{StatusCode: r.status, Header: r.header, Body: io.NopCloser(strings.NewReader(r.raw))}
	valid, problems := s.check.ValidateHttpResponse(request, response)
	for _, p := range problems {
		t.Logf("%s: %s: %+v", p.Message, p.Reason, p.SchemaValidationErrors)
	}
	require.True(t, valid, "%s is answered %d, against the contract: %s", step.what, r.status, r.raw)
}

// compare holds an answer to its golden file, which -update writes when there
// is none.
func (s *told) compare(t *testing.T, step step, r reply) {
	t.Helper()
	got := golden{Request: s.steady(s.fill(step.what)), Status: r.status, Headers: map[string]string{}, Body: json.RawMessage(s.steady(r.raw))}
	for _, name := range shown {
		if value := r.header.Get(name); value != "" {
			got.Headers[name] = s.steadyHeader(name, value)
		}
	}
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(got))
	file := goldenAnswer(step.name)
	if _, err := os.Stat(file); *update && errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, os.WriteFile(file, content.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "every step with a name has a golden file; make it with go test ./cmd/ping -run TestAnswers -update")
	require.Equal(t, string(want), content.String(), "%s is answered otherwise than %s says", step.what, file)
}

func goldenAnswer(name string) string { return filepath.Join("testdata", "answers", name+".json") }

// varying is what differs each time that the scenario runs, and what golden
// files say for it.
var varying = []struct {
	pattern *regexp.Regexp
	steady  string
}{
	{regexp.MustCompile(`"(access_token|refresh_token|ticket)":"[^"]+"`), `"$1":"<secret>"`},
	{regexp.MustCompile(`"(next|previous)":"[^"]+"`), `"$1":"<cursor>"`},
	{regexp.MustCompile(`"at":"\d+:\d+"`), `"at":"<position>"`},
	{regexp.MustCompile(`"state":"\w+","last_seen":(null|"[^"]+")`), `"state":"<state>","last_seen":"<time or null>"`},
	{regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`), `"<time>"`},
}

var anID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// steady puts names for what varies. Ids are numbered in the order in which
// the scenario comes upon them, so that files show what is the same.
func (s *told) steady(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.steady)
	}
	return anID.ReplaceAllStringFunc(text, func(id string) string {
		if s.ids[id] == "" {
			s.ids[id] = fmt.Sprintf("<id-%d>", len(s.ids)+1)
		}
		return s.ids[id]
	})
}

func (s *told) steadyHeader(name, value string) string {
	switch name {
	case "Etag":
		return regexp.MustCompile(`"[^"]+"`).ReplaceAllString(value, `"<tag>"`)
	case "Ping-Position":
		return regexp.MustCompile(`^\d+:\d+$`).ReplaceAllString(value, "<position>")
	}
	return value
}
