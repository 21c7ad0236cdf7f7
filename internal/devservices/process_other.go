//go:build unix && !linux

package devservices

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent does nothing here: the next start ends what was left running.
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// isProcess tells whether the process runs the binary. Its working directory is
// not to be had here.
func isProcess(pid int, binary, _ string) bool {
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasSuffix(strings.TrimSpace(string(out)), binary)
}

// allowPassing reports that there are no such capabilities here.
func allowPassing(*syscall.SysProcAttr) bool { return false }
