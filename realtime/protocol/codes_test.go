package protocol

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// TestCloseCodes checks that every close code has a reason that fits a close
// message, and that its range agrees with what the client is to do.
func TestCloseCodes(t *testing.T) {
	names := map[string]bool{}
	for code, why := range CloseReasons {
		require.NotEmpty(t, why.Reason)
		require.Regexp(t, `^[a-z_]+$`, why.Name)
		require.False(t, names[why.Name], why.Name)
		names[why.Name] = true
		require.LessOrEqual(t, 2+len(why.Reason), 125)
		require.Equal(t, strings.Contains(why.Reason, "reconnect"), code.Reconnect(), code)
	}
	require.Len(t, CloseReasons, len(closeCodesInSource(t)), "every close code needs a reason")
	for _, code := range closeCodesInSource(t) {
		require.Contains(t, CloseReasons, code)
	}
}

// closeCodesInSource reads the constants of close_codes.go.
func closeCodesInSource(t *testing.T) (codes []CloseCode) {
	t.Helper()
	for _, node := range nodesOf[*ast.ValueSpec](t, "close_codes.go") {
		if typ, ok := node.Type.(*ast.Ident); !ok || typ.Name != "CloseCode" {
			continue
		}
		code, err := strconv.Atoi(node.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		codes = append(codes, CloseCode(code))
	}
	require.NotEmpty(t, codes)
	return codes
}

// TestRefusals checks that the list of refusals is complete and names each code
// once.
func TestRefusals(t *testing.T) {
	listed := map[string]bool{}
	for _, why := range Refusals {
		require.False(t, listed[why.Code], why.Code)
		require.NotEmpty(t, why.Message)
		listed[why.Code] = true
	}
	for _, why := range []*domain.Error{ErrSubprotocol, ErrOrigin, ErrShuttingDown} {
		listed[why.Code] = true
	}
	found := 0
	for _, literal := range nodesOf[*ast.CompositeLit](t, "errors.go") {
		if len(literal.Elts) == 0 {
			continue
		}
		field, keyed := literal.Elts[0].(*ast.KeyValueExpr)
		if !keyed || field.Key.(*ast.Ident).Name != "Code" {
			continue // a list of refusals
		}
		code := field.Value
		found++
		require.True(t, listed[strings.Trim(code.(*ast.BasicLit).Value, `"`)], "%v is in no list", code)
	}
	require.Greater(t, found, len(Refusals))
}

// nodesOf returns the nodes of one kind in a file of this package.
func nodesOf[N ast.Node](t *testing.T, file string) (nodes []N) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	ast.Inspect(parsed, func(n ast.Node) bool {
		if node, ok := n.(N); ok {
			nodes = append(nodes, node)
		}
		return true
	})
	return nodes
}
