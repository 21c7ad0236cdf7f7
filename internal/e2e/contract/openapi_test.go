package contract

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
)

// TestOpenAPI holds the contract's document to the schema of OpenAPI 3.1, and
// to having examples and refusals throughout.
func TestOpenAPI(t *testing.T) {
	content := harness.Fetch(t, harness.StartNode(t, harness.NewWorld(t))+"/openapi.json")
	document, err := libopenapi.NewDocument(content)
	require.NoError(t, err)
	t.Run("is valid", func(t *testing.T) {
		check, errs := validator.NewValidator(document)
		require.Empty(t, errs)
		valid, problems := check.ValidateDocument()
		for _, p := range problems {
			t.Logf("%s: %s: %+v", p.Message, p.Reason, p.SchemaValidationErrors)
		}
		require.True(t, valid)
	})
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			RequestBody *struct {
				Content map[string]struct{ Example any }
			} `json:"requestBody"`
			Responses map[string]struct {
				Description string
				Content     map[string]struct{ Example any }
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Enum []string }
			} `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(content, &doc))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	t.Run("has an example of every body", func(t *testing.T) {
		for path, item := range doc.Paths {
			for method, op := range item {
				if op.RequestBody != nil {
					for _, media := range op.RequestBody.Content {
						require.NotNil(t, media.Example, "%s %s", method, path)
					}
				}
				for status, response := range op.Responses {
					for _, media := range response.Content {
						require.NotNil(t, media.Example, "%s %s: %s", method, path, status)
					}
				}
			}
		}
	})
	t.Run("names every code, each at its status", func(t *testing.T) {
		codes := doc.Components.Schemas["Error"].Properties["code"].Enum
		require.Contains(t, codes, "conversation_not_found")
		for path, item := range doc.Paths {
			for method, op := range item {
				refusals := 0
				for status, response := range op.Responses {
					if status < "400" {
						continue
					}
					for code := range strings.SplitSeq(response.Description, ", ") {
						require.Contains(t, codes, code, "%s %s: %s", method, path, status)
						refusals++
					}
				}
				require.NotZero(t, refusals, "%s %s", method, path)
			}
		}
	})
}
