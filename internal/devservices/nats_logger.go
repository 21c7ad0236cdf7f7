package devservices

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// natsLogger forwards the log of the embedded server. Its notices, two dozen lines
// per start, become debug messages.
type natsLogger struct {
	logger *slog.Logger
	last   atomic.Pointer[string] // the message of the last Fatalf
}

func (l *natsLogger) Noticef(format string, v ...any) { l.debug(format, v) }
func (l *natsLogger) Debugf(format string, v ...any)  { l.debug(format, v) }
func (l *natsLogger) Tracef(format string, v ...any)  { l.debug(format, v) }

func (l *natsLogger) debug(format string, v []any) {
	l.logger.Debug("nats server", "message", fmt.Sprintf(format, v...))
}

func (l *natsLogger) Warnf(format string, v ...any) {
	l.logger.Warn("nats server", "message", fmt.Sprintf(format, v...))
}

func (l *natsLogger) Errorf(format string, v ...any) {
	l.logger.Error("nats server", "message", fmt.Sprintf(format, v...))
}

// Fatalf must not end the process: the server shuts itself down after it.
func (l *natsLogger) Fatalf(format string, v ...any) {
	message := fmt.Sprintf(format, v...)
	l.last.Store(&message)
}

// fatal returns the reason that the server gave for shutting itself down.
func (l *natsLogger) fatal() error {
	if message := l.last.Load(); message != nil {
		return errors.New(*message)
	}
	return nil
}
