package node

import (
	"io"
	"log/slog"
)

// JSONLogger logs JSON objects, one per line. A duration is text with its unit,
// such as "1.5s", as in the text format of `ping dev`.
func JSONLogger(out io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Value.Kind() == slog.KindDuration {
				a.Value = slog.StringValue(a.Value.Duration().String())
			}
			return a
		},
	}))
}
