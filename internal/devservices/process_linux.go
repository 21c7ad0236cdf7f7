package devservices

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent lets the kernel send the signal to the child when the thread
// that started it ends.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) {
	attr.Pdeathsig = signal
}

// isProcess tells whether the process runs the binary with folder as its
// working directory.
func isProcess(pid int, binary, folder string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	command, err := os.ReadFile(filepath.Join(proc, "comm"))
	if err != nil || strings.TrimSpace(string(command)) != binary {
		return false
	}
	// A process that is ending has no working directory any more.
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	if err != nil {
		return false
	}
	resolved, err := filepath.EvalSymlinks(folder)
	return err == nil && cwd == resolved
}

// The capabilities that let a process pass folders it has no permission for,
// the lesser first (see capabilities(7)).
const (
	capDACOverride   = 1
	capDACReadSearch = 2
)

// allowPassing gives the child a capability to pass folders that its user has
// no permission for. It reports whether this process had one to give.
func allowPassing(attr *syscall.SysProcAttr) bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		mask, found := strings.CutPrefix(line, "CapPrm:")
		if !found {
			continue
		}
		permitted, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err != nil {
			return false
		}
		for _, capability := range []uintptr{capDACReadSearch, capDACOverride} {
			if permitted&(1<<capability) != 0 {
				attr.AmbientCaps = []uintptr{capability}
				return true
			}
		}
	}
	return false
}
