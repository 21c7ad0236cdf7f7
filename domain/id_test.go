package domain_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestParseID(t *testing.T) {
	const text = "0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b"
	for _, form := range []string{text, strings.ToUpper(text)} {
		id, err := domain.ParseID(form)
		require.NoError(t, err)
		require.Equal(t, text, id.String())
	}
	for _, bad := range []string{"", "x", strings.ReplaceAll(text, "-", ""), "{" + text + "}", "urn:uuid:" + text,
		text + "0", text[:35], "0190b5a0_7c1e_7d3a_9f55_3c1d2e4f5a6b", "0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6g"} {
		_, err := domain.ParseID(bad)
		require.Error(t, err, bad)
	}
}

func TestDerivedID(t *testing.T) {
	id := domain.DerivedID([]byte("ab"), []byte("c"))
	require.Equal(t, id, domain.DerivedID([]byte("ab"), []byte("c")))
	require.NotEqual(t, id, domain.DerivedID([]byte("a"), []byte("bc")))
	require.Equal(t, byte('8'), id.String()[14], "UUID version 8")
	require.Contains(t, "89ab", string(id.String()[19]), "RFC 9562 variant")
}

func TestIDJSON(t *testing.T) {
	type named struct {
		ID  domain.ID `json:"id"`
		Opt domain.ID `json:"opt,omitzero"`
	}
	b, err := json.Marshal(named{ID: ann})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+ann.String()+`"}`, string(b))
	var back named
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, named{ID: ann}, back)
}

func FuzzParseID(f *testing.F) {
	f.Add(ann.String())
	f.Add(strings.ToUpper(bob.String()))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := domain.ParseID(s)
		if err != nil {
			require.True(t, id.IsZero())
			return
		}
		require.Equal(t, strings.ToLower(s), id.String())
	})
}
