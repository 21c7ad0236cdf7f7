package web

import "github.com/danielgtaylor/huma/v2"

// addExamples gives every body of the contract an example, composed of the examples of its fields.
func addExamples(api *huma.OpenAPI) {
	for _, item := range api.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				addExample(api.Components.Schemas, op.RequestBody.Content)
			}
			for _, response := range op.Responses {
				addExample(api.Components.Schemas, response.Content)
			}
		}
	}
}

func addExample(registry huma.Registry, content map[string]*huma.MediaType) {
	for _, media := range content {
		if media.Example == nil && media.Schema != nil {
			media.Example = ExampleOf(registry, media.Schema)
		}
	}
}

// ExampleOf composes an example of a schema. No shape of the contract contains itself.
func ExampleOf(registry huma.Registry, s *huma.Schema) any {
	if s.Ref != "" {
		s = registry.SchemaFromRef(s.Ref)
	}
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return ExampleOf(registry, s.AnyOf[0])
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, property := range s.Properties {
			object[name] = ExampleOf(registry, property)
		}
		return object
	case huma.TypeArray:
		return []any{ExampleOf(registry, s.Items)}
	case huma.TypeInteger, huma.TypeNumber:
		return 1
	case huma.TypeBoolean:
		return false
	case huma.TypeString:
		if s.Format == "date-time" && s.Nullable {
			return nil // what it dates has usually not happened
		}
		if s.Format == "date-time" {
			return "2026-01-02T03:04:05.123456Z"
		}
		return "text"
	}
	return nil
}
