package devservices

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long a child may take to end after it was asked to, before it is killed.
const stopGrace = 30 * time.Second

// How often a condition outside this process is looked at again.
const pollInterval = 5 * time.Millisecond

// process is a child process that writes its output to a log file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended
}

// startProcess starts cmd with its output appended to the file log. When this
// process dies first, the child gets the signal orphaned.
func startProcess(name, log string, cmd *exec.Cmd, orphaned syscall.Signal) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	endWithParent(cmd.SysProcAttr, orphaned)

	p := &process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties "the parent died" to the thread that forked, not to
		// the process: this goroutine keeps that thread until the child ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log and in ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks the child to end and waits until it did. It is killed when it takes
// longer than stopGrace, which is then an error.
func (p *process) stop(signal syscall.Signal) error {
	_ = p.cmd.Process.Signal(signal) // it may have ended already
	select {
	case <-p.done:
		return nil
	case <-time.After(stopGrace):
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	<-p.done
	return fmt.Errorf("%s did not end within %s and was killed", p.name, stopGrace)
}

// failure describes why the child ended by itself: the end of its log.
func (p *process) failure() error {
	return fmt.Errorf("%s ended with %s; the end of %s:\n%s", p.name, p.cmd.ProcessState, p.log, p.logTail())
}

// logTail returns the last lines of the child's log, at most 4 KiB.
func (p *process) logTail() string {
	file, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > 4096 {
		_, _ = file.Seek(-4096, io.SeekEnd)
	}
	tail, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(tail))
}

// endEarlier ends the process of an earlier run that the pid file's first line
// names, when it is alive and still the one that wrote it, and removes the file.
func endEarlier(name, pidFile, binary, folder string, signal syscall.Signal) error {
	content, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the pid file of an earlier %s: %w", name, err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil && pid > 1 && isProcess(pid, binary, folder) {
		_ = syscall.Kill(pid, signal)
		deadline := time.Now().Add(stopGrace)
		for syscall.Kill(pid, 0) == nil && isProcess(pid, binary, folder) {
			if time.Now().After(deadline) {
				return fmt.Errorf("%s of an earlier run (process %d) does not end; end it, then start again", name, pid)
			}
			time.Sleep(pollInterval)
		}
	}
	// The process removes the file itself when it ends in good order.
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the pid file of an earlier %s: %w", name, err)
	}
	return nil
}

// makeFolder makes a folder with exactly this mode, whatever the umask is.
func makeFolder(path string, mode os.FileMode) error {
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// The longest path of a Unix socket that every system takes.
const maxSocketPath = 103

// socketFolder makes the folder for a socket: below dir, else a short temporary
// one when the socket's path would be too long. The second result says which.
func socketFolder(dir, socket string) (path string, temporary bool, err error) {
	path = filepath.Join(dir, "run")
	if len(path)+1+len(socket) <= maxSocketPath {
		return path, false, makeFolder(path, 0o700)
	}
	path, err = os.MkdirTemp("", "ping-")
	return path, true, err
}
