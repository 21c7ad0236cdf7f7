package conventions

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// form is a way of writing that the project does not use. See CONTRIBUTING.md.
type form struct {
	name    string
	pattern *regexp.Regexp
	// allowed reports a match that is plain English after all.
	allowed func(match []string) bool
}

var forms = []form{
	{name: "a person is they, them, their", pattern: regexp.MustCompile(`\b([Hh]e|[Hh]im|[Hh]is|[Hh]imself)\b`)},
	{
		name: "a sentence begins with its subject, not with Who", pattern: regexp.MustCompile(`(?:^|[.:;!?] )(?:Who|Whom|Whose) ([^.:;]*)`),
		allowed: func(match []string) bool { return strings.Contains(match[1], "?") },
	},
	{name: "whoever: name the client, user or node", pattern: regexp.MustCompile(`\b[Ww]ho(m|ever|mever)\b`)},
	{name: "an engine is unavailable, not away", pattern: regexp.MustCompile(`\b(is|are|was|were|been) away\b`)},
	{
		name: "one lane per partition, not one lane a partition", pattern: regexp.MustCompile(`\b[Oo]ne (\w+) an? \w+`),
		allowed: func(match []string) bool { return slices.Contains(notNouns, match[1]) },
	},
	{name: "again, or from the start, not anew", pattern: regexp.MustCompile(`\b[Aa]new\b`)},
	{name: "recently, not of late", pattern: regexp.MustCompile(`\bof late\b`)},
	{name: "next to, or besides, not beside", pattern: regexp.MustCompile(`\b[Bb]eside\b`)},
	{name: "represents, not stands for", pattern: regexp.MustCompile(`\b(stands?|stood) for\b`)},
	{name: "receive, not hear", pattern: regexp.MustCompile(`\b([Hh]ears?|[Hh]eard|[Hh]earing)\b`)},
	{name: "deliver or pass on, not hand on", pattern: regexp.MustCompile(`\b[Hh]and(s|ed|ing)? on\b`)},
	{name: "during, not in the midst of", pattern: regexp.MustCompile(`\bin the midst\b`)},
	{name: "there is nothing, not there is not anything any more", pattern: regexp.MustCompile(`\bno more than is\b|\bthere and then\b`)},
}

// notNouns may follow "one" before "a": "one is a thief", "one of a pair".
var notNouns = strings.Fields("of is was has with in for at by and or to as from that on than needs takes holds such not after before under without if when into")

// violations returns the forms that a text has.
func violations(text string) (found []string) {
	text = strings.Join(strings.Fields(text), " ")
	for _, f := range forms {
		for _, match := range f.pattern.FindAllStringSubmatch(text, -1) {
			if f.allowed == nil || !f.allowed(match) {
				found = append(found, fmt.Sprintf("%s: %q", f.name, strings.TrimSpace(match[0])))
			}
		}
	}
	return found
}

// frozen are files that keep their comments. A migration that has run somewhere is
// not changed any more, and another comment in the SQL of a projection would be
// another fingerprint, which demands a rebuild.
var frozen = []string{
	"migrations/0001_log.sql", "migrations/0006_erasure.sql",
	"projections/directory/apply.sql", "projections/directory/schema.sql",
	"projections/inbox/apply.sql", "projections/inbox/schema.sql", "projections/timeline/schema.sql",
}

// passage is a text that people read.
type passage struct {
	line int
	text string
}

// TestLanguage reads every comment, every text of the program and every
// document.
func TestLanguage(t *testing.T) {
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if slices.Contains([]string{".git", ".ping", "bin", "testdata", "node_modules"}, name) {
				return fs.SkipDir
			}
			return nil
		}
		read := readerOf(name)
		if read == nil || name == "language_test.go" || slices.Contains(frozen, strings.TrimPrefix(filepath.ToSlash(path), "../../")) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, p := range read(t, name, string(content)) {
			for _, v := range violations(p.text) {
				t.Errorf("%s:%d: %s", strings.TrimPrefix(path, root+"/"), p.line, v)
			}
		}
		return nil
	}))
}

// readerOf returns how to find the passages of a file; nil if it has none.
func readerOf(name string) func(t *testing.T, name, content string) []passage {
	switch filepath.Ext(name) {
	case ".go":
		return goPassages
	case ".md":
		return markdownPassages
	case ".sql", ".lua", ".js", ".ts", ".sh", ".html", ".css", ".yaml", ".conf", ".service":
		return plainPassages
	}
	if slices.Contains([]string{"Makefile", "Dockerfile", "run"}, name) {
		return plainPassages
	}
	return nil
}

// goPassages returns the comments of a Go file, and its strings; of a test only
// the names of subtests.
func goPassages(t *testing.T, name, content string) (all []passage) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, content, parser.ParseComments)
	require.NoError(t, err)
	line := func(node ast.Node) int { return files.Position(node.Pos()).Line }
	for _, group := range file.Comments {
		for part := range strings.SplitSeq(group.Text(), "\n\n") {
			all = append(all, passage{line(group), part})
		}
	}
	add := func(node ast.Node) {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				all = append(all, passage{line(literal), text})
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if !strings.HasSuffix(name, "_test.go") {
			add(node)
			return true
		}
		if call, ok := node.(*ast.CallExpr); ok && len(call.Args) == 2 {
			if function, ok := call.Fun.(*ast.SelectorExpr); ok && function.Sel.Name == "Run" {
				add(call.Args[0])
			}
		}
		return true
	})
	return all
}

var code = regexp.MustCompile("`[^`]*`")

// markdownPassages returns the paragraphs of a document without its code.
func markdownPassages(t *testing.T, name, content string) (all []passage) {
	t.Helper()
	var text strings.Builder
	inCode := false
	for line := range strings.Lines(content) {
		if strings.HasPrefix(line, "```") {
			inCode = !inCode
			line = "\n"
		}
		if inCode {
			line = "\n"
		}
		text.WriteString(line)
	}
	for _, p := range plainPassages(t, name, text.String()) {
		all = append(all, passage{p.line, code.ReplaceAllString(p.text, "code")})
	}
	return all
}

// marks begin comments and items.
var marks = regexp.MustCompile(`^\s*(//|/\*+|\*/|\*|#+|--+|- |<!--|\|)?\s*`)

// plainPassages returns the paragraphs of any other file: runs of lines, without
// the marks of comments.
func plainPassages(_ *testing.T, _, content string) (all []passage) {
	number, start := 0, 0
	var lines []string
	end := func() {
		if len(lines) > 0 {
			all = append(all, passage{start, strings.Join(lines, " ")})
		}
		lines = nil
	}
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimRight(line, "\n")
		text := line[len(marks.FindString(line)):]
		if text == "" || strings.HasPrefix(line, "|") {
			end()
		}
		if text == "" {
			continue
		}
		if len(lines) == 0 {
			start = number
		}
		lines = append(lines, text)
	}
	end()
	return all
}

// TestViolations shows that the test of the language can fail.
func TestViolations(t *testing.T) {
	for _, bad := range []string{
		"A user is known once he has registered.", "Add him first.", "His state is the best.",
		"Who asks is answered.", "It waits. Who comes later waits too.", "Of whom it concerns.",
		"Redis is away.", "while NATS was away", "one goroutine a socket", "One row a partition.",
		"begins anew", "held beside it", "it is of late", "a state stands for a version", "what it hears", "hands on events", "in the midst of a write",
	} {
		t.Run("finds "+bad, func(t *testing.T) { require.NotEmpty(t, violations(bad)) })
	}
	for _, good := range []string{
		"They have registered.", "Who is on watch?", "The user who sent it.", "the state `away`", "one goroutine per socket",
		"one of a pair", "besides the usual ones", "the head", "This is theirs.",
	} {
		t.Run("passes "+good, func(t *testing.T) { require.Empty(t, violations(good)) })
	}
	t.Run("finds them wherever they are", func(t *testing.T) {
		for name, content := range map[string]string{
			"a.go":      "package a\n\n// F begins\n// anew.\nfunc F() {}\n",
			"b.go":      "package b\n\nvar x = struct{ A int `doc:\"What he has.\"` }{}\n",
			"c_test.go": "package c\n\nfunc f() { t.Run(\"who: he\", nil) }\n",
			"d.sql":     "-- One row\n-- a partition.\nSELECT 1;\n",
			"e.js":      "/**\n * Redis is\n * away.\n */\n",
			"f.md":      "Redis\nis away.\n\n| a | his |\n",
			"g.sh":      "# begins anew\n",
			"h.lua":     "-- begins anew\n",
		} {
			found := 0
			for _, p := range readerOf(name)(t, name, content) {
				found += len(violations(p.text))
			}
			require.Positive(t, found, name)
		}
	})
	t.Run("passes code in a document", func(t *testing.T) {
		for _, p := range markdownPassages(t, "a.md", "`his`\n\n```\nhis\n```\n") {
			require.Empty(t, violations(p.text))
		}
	})
}
