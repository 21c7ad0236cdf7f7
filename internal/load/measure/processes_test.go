package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// procFolder writes as much of a /proc as Processes reads.
type procFolder struct {
	t    *testing.T
	root string
}

func (p procFolder) write(path, text string) {
	p.t.Helper()
	path = filepath.Join(p.root, path)
	require.NoError(p.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(p.t, os.WriteFile(path, []byte(text), 0o600))
}

// process writes a process with ticks of CPU, half of them the kernel's.
func (p procFolder) process(pid, parent int, name string, started, ticks int) {
	p.write(fmt.Sprintf("%d/stat", pid), fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194304 1 0 0 0 %d %d 0 0 20 0 1 0 %d"+
		" 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
		pid, name, parent, ticks/2, ticks-ticks/2, started))
	p.write(fmt.Sprintf("%d/smaps_rollup", pid), "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 4096 kB\nPss:    2048 kB\n")
}

func TestProcesses(t *testing.T) {
	p := procFolder{t, t.TempDir()}
	p.process(10, 1, "ping", 500, 1000)
	p.process(11, 10, "postgres", 600, 200)
	p.process(12, 11, "postgres", 700, 40)
	p.process(20, 1, "other", 500, 9999)
	// 1F90 is 8080; inode 777 is held by process 10.
	p.write("net/tcp", "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 777 1\n   1: 0100007F:1F91 00000000:0000 0A 0:0 0:0 0 0 0 778 1\n")
	require.NoError(t, os.MkdirAll(filepath.Join(p.root, "10/fd"), 0o755))
	require.NoError(t, os.Symlink("socket:[777]", filepath.Join(p.root, "10/fd/3")))

	servers := NewProcesses(p.root, nil, []int{8080})
	servers.Begin()

	p.process(10, 1, "ping", 500, 1150)
	p.process(12, 11, "postgres", 700, 60)
	p.process(13, 11, "postgres", 10_100, 30) // began after the sending did
	servers.Sample()
	require.NoError(t, os.RemoveAll(filepath.Join(p.root, "12")))
	// Killed and restarted: another process holds the port, and the old one's
	// children have lost their parent.
	require.NoError(t, os.RemoveAll(filepath.Join(p.root, "10")))
	p.process(11, 1, "postgres", 600, 210)
	p.process(30, 1, "ping", 10_200, 50)
	require.NoError(t, os.MkdirAll(filepath.Join(p.root, "30/fd"), 0o755))
	require.NoError(t, os.Symlink("socket:[777]", filepath.Join(p.root, "30/fd/3")))

	require.Equal(t, []ProcessFigures{
		{Name: "ping", Processes: 2, CPUSeconds: 2.0, MemoryMB: 2},     // 150 + 50 ticks
		{Name: "postgres", Processes: 3, CPUSeconds: 0.6, MemoryMB: 4}, // 10 + 20 + 30
	}, servers.Figures())
}

func TestProcessesNamed(t *testing.T) {
	p := procFolder{t, t.TempDir()}
	p.process(10, 1, "ping", 500, 1000)
	p.process(20, 1, "postgres", 500, 100)
	servers := NewProcesses(p.root, []int{20}, nil)
	servers.Begin()
	figures := servers.Figures()
	require.Len(t, figures, 1)
	require.Equal(t, "postgres", figures[0].Name)
}

// TestProcessNames: a name may hold anything, and a process whose status cannot
// be read is skipped.
func TestProcessNames(t *testing.T) {
	p := procFolder{t, t.TempDir()}
	p.process(7, 1, "a) b (c)", 99, 11)
	for pid, bad := range []string{"", "8 (x", "8 (x) R 3", "8 (x) R x 1 1 0 -1 0 1 0 0 0 5 6 0 0 20 0 1 0 99 1"} {
		p.write(fmt.Sprintf("%d/stat", 8+pid), bad+" ")
	}
	all := NewProcesses(p.root, nil, nil).list()
	require.Len(t, all, 1)
	require.Equal(t, "a) b (c)", all[7].Comm)
	require.EqualValues(t, 11, all[7].UTime+all[7].STime)
	require.EqualValues(t, 99, all[7].Starttime)
	require.Equal(t, 1, all[7].PPID)
}
