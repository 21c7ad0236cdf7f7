package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

var (
	errNotUTF8   = errors.New("the request is not valid UTF-8")
	errSurrogate = errors.New(`a \u escape is half of a surrogate pair, which is not a character`)
)

// jsonFormat is how bodies are read and written. encoding/json silently replaces what is not Unicode, which would store
// a text other than the one sent; such a request is refused instead.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error {
		if err := checkUnicode(data); err != nil {
			return err
		}
		return json.Unmarshal(data, v)
	},
}

// checkUnicode refuses JSON text whose strings are not Unicode: bytes that are not UTF-8, and escapes of half of a
// surrogate pair.
func checkUnicode(data []byte) error {
	if !utf8.Valid(data) {
		return errNotUTF8
	}
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 || i+1 >= len(data) {
			return nil
		}
		if data[i+1] != 'u' {
			data = data[i+2:] // past the escaped character, which may be a backslash
			continue
		}
		unit := escapedUnit(data[i:])
		switch {
		case unit >= 0xd800 && unit < 0xdc00:
			low := escapedUnit(data[i+6:])
			if low < 0xdc00 || low > 0xdfff {
				return errSurrogate
			}
			data = data[i+12:]
		case unit >= 0xdc00 && unit <= 0xdfff:
			return errSurrogate
		default:
			data = data[i+2:]
		}
	}
}

// escapedUnit decodes the escape \uXXXX at the beginning of b; -1 if there is none.
func escapedUnit(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}
