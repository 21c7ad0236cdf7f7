package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Listeners are the sockets that a node serves on. All but Clients may be nil.
type Listeners struct {
	Clients, Metrics, Pprof net.Listener
}

// Listen binds the addresses. It comes before anything is started, so that an
// address in use is reported at once.
func Listen(cfg Config) (l Listeners, err error) {
	for _, one := range []struct {
		addr, setting, env string
		listener           *net.Listener
	}{
		{cfg.Addr, "addr", "PING_ADDR", &l.Clients},
		{cfg.MetricsAddr, "metrics-addr", "PING_METRICS_ADDR", &l.Metrics},
		{cfg.PprofAddr, "pprof-addr", "PING_PPROF_ADDR", &l.Pprof},
	} {
		if one.addr == "" {
			continue
		}
		// Keep-alive is off, because it costs four system calls per connection:
		// sockets have heartbeats, and requests have time limits.
		config := net.ListenConfig{KeepAlive: -1}
		*one.listener, err = config.Listen(context.Background(), "tcp", one.addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			_, port, _ := net.SplitHostPort(one.addr)
			err = fmt.Errorf("port %s is in use: stop the program that listens on %s, or choose another address with --%s or %s", port, one.addr, one.setting, one.env)
		}
		if err != nil {
			*one.listener = nil
			return l, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// Close closes the listeners that are open.
func (l Listeners) Close() error {
	var errs []error
	for _, one := range []net.Listener{l.Clients, l.Metrics, l.Pprof} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}
