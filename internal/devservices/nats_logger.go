package devservices

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// natsLogger hands on what the embedded server logs. Its notices tell of each
// start in two dozen lines: they are for debugging here.
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
