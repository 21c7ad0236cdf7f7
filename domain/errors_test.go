package domain_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// TestErrors: a code is a word of the contract and belongs to one refusal; its message is a sentence for its caller.
func TestErrors(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	require.NoError(t, err)
	code, sentence := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`), regexp.MustCompile(`^\S.*\.$`)
	seen := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		require.Len(t, literal.Elts, 3)
		var texts []string
		for _, e := range literal.Elts[1:] { // the first is the kind
			text, err := strconv.Unquote(e.(*ast.BasicLit).Value)
			require.NoError(t, err)
			texts = append(texts, text)
		}
		require.Regexp(t, code, texts[0])
		require.Regexp(t, sentence, texts[1])
		require.False(t, seen[texts[0]], "two refusals have the code %s", texts[0])
		seen[texts[0]] = true
		return true
	})
	require.True(t, seen[domain.ErrConversationNotFound.Code], "the refusals were found")
	require.Equal(t, "forbidden: Your role in this conversation does not allow this.", domain.ErrForbidden.Error())
}
