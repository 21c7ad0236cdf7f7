package measure

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how far each phase of a run is: a bar on a terminal, else a
// line every five seconds.
type Progress struct {
	out      io.Writer
	terminal bool
}

// NewProgress shows progress on out.
func NewProgress(out io.Writer) *Progress {
	file, ok := out.(*os.File)
	return &Progress{out: out, terminal: ok && term.IsTerminal(int(file.Fd()))}
}

// Phase shows a phase until the returned function is called. value tells how
// much of total is done; detail, which may be nil, tells more.
func (p *Progress) Phase(name string, total int64, value func() int64, detail func() string) (end func()) {
	if detail == nil {
		detail = func() string { return "" }
	}
	show, finish, every := p.lines(name, total, value, detail), func() {}, 5*time.Second
	if p.terminal {
		show, finish = p.bar(name, total, value, detail)
		every = 200 * time.Millisecond
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show()
			case <-stop:
				show()
				finish()
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (p *Progress) lines(name string, total int64, value func() int64, detail func() string) func() {
	return func() { fmt.Fprintf(p.out, "%s: %d of %d%s\n", name, value(), total, detail()) }
}

func (p *Progress) bar(name string, total int64, value func() int64, detail func() string) (show, finish func()) {
	bar := progressbar.NewOptions64(max(total, 1),
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetDescription(name),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(0),
	)
	show = func() {
		bar.Describe(name + detail())
		_ = bar.Set64(min(value(), max(total, 1))) // a terminal that cannot be written to shows nothing
	}
	return show, func() { fmt.Fprintln(p.out) }
}
