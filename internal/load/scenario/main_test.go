package scenario

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Parallel tests mostly wait for stealth messages to expire, so more of them
	// than there are cores run at the same time.
	flag.Parse()
	_ = flag.Set("test.parallel", "24") // the flag exists
	// The HTTP client's cleaner of idle connections ends some seconds after the
	// last one was closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
}
