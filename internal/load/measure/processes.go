package measure

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// ProcessFigures is what the processes of one name cost between Begin and the
// last sample.
type ProcessFigures struct {
	Name       string  `json:"name"`
	Processes  int     `json:"processes"` // seen in all, restarted ones too
	CPUSeconds float64 `json:"cpu_seconds"`
	// MemoryMB is the memory of those alive at the last sample; what several
	// share counts once, where the kernel shows it.
	MemoryMB float64 `json:"memory_mb"`
}

// Proc is where Linux shows its processes.
const Proc = "/proc"

// Processes measures servers: those that are named, or else that listen on the
// servers' ports, and all their descendants. Without /proc there is nothing to
// see. It is used by one goroutine at a time.
type Processes struct {
	named     []int
	ports     []int
	fs        procfs.FS
	available bool               // there is a /proc
	before    map[processID]bool // alive when the measuring began
	known     map[processID]*usage
	found     []processID // the listeners, as of the last look
}

// processID tells a process from a later one with the same number.
type processID struct {
	pid     int
	started uint64 // in ticks since the machine started
}

type usage struct {
	name        string
	first, last uint // ticks of CPU
	alive       bool
}

// TicksPerSecond is Linux's USER_HZ, the same on all machines that Go runs on.
const TicksPerSecond = 100

// NewProcesses measures the processes with these numbers, or, without any, the
// ones that listen on the ports. root is Proc.
func NewProcesses(root string, pids, ports []int) *Processes {
	p := &Processes{named: pids, ports: ports, known: map[processID]*usage{}}
	fs, err := procfs.NewFS(root)
	p.fs, p.available = fs, err == nil
	return p
}

// Begin counts from now on.
func (p *Processes) Begin() {
	p.before = map[processID]bool{}
	for _, s := range p.list() {
		p.before[idOf(s)] = true
	}
	p.Sample()
}

func idOf(s procfs.ProcStat) processID { return processID{s.PID, s.Starttime} }

// Sample looks at all processes. What a process uses after the last sample that
// saw it alive is not counted.
func (p *Processes) Sample() {
	all := p.list()
	wanted := map[int]bool{}
	for _, pid := range p.roots(all) {
		wanted[pid] = true
	}
	for id, u := range p.known {
		u.alive = false
		wanted[id.pid] = wanted[id.pid] || idOf(all[id.pid]) == id
	}
	own := os.Getpid()
	for pid, s := range all {
		if pid != own && descends(all, wanted, pid) {
			p.see(s)
		}
	}
}

// descends reports whether pid or one of its ancestors is wanted.
func descends(all map[int]procfs.ProcStat, wanted map[int]bool, pid int) bool {
	for range 64 { // bounded, because the process table changes while it is read
		if wanted[pid] {
			return true
		}
		s, there := all[pid]
		if !there || s.PPID <= 1 {
			return false
		}
		pid = s.PPID
	}
	return false
}

func (p *Processes) see(s procfs.ProcStat) {
	id, ticks := idOf(s), s.UTime+s.STime
	u := p.known[id]
	if u == nil {
		u = &usage{}
		if p.before == nil || p.before[id] {
			u.first = ticks // what it did before does not count
		}
		p.known[id] = u
	}
	u.name, u.last, u.alive = s.Comm, ticks, true
}

// list reads the status of every process.
func (p *Processes) list() map[int]procfs.ProcStat {
	all := map[int]procfs.ProcStat{}
	if !p.available {
		return all
	}
	processes, _ := p.fs.AllProcs() // there is nothing to measure if it cannot be read
	for _, process := range processes {
		if s, err := process.Stat(); err == nil { // else it ended in between
			all[s.PID] = s
		}
	}
	return all
}

// roots are the processes named, or else the listeners on the ports. It searches
// for these only after one of them has ended, because that reads every open file
// of the machine.
func (p *Processes) roots(all map[int]procfs.ProcStat) []int {
	if len(p.named) > 0 {
		return p.named
	}
	var alive []int
	for _, id := range p.found {
		if idOf(all[id.pid]) == id {
			alive = append(alive, id.pid)
		}
	}
	if len(alive) >= max(len(p.ports), len(p.found)) {
		return alive
	}
	pids := p.listeners(all)
	p.found = p.found[:0]
	for _, pid := range pids {
		p.found = append(p.found, idOf(all[pid]))
	}
	return pids
}

// tcpListen is the state of a listening socket.
const tcpListen = 0x0A

// listeners are the processes that listen on the ports.
func (p *Processes) listeners(all map[int]procfs.ProcStat) []int {
	files := map[string]bool{}
	for _, table := range []func() (procfs.NetTCP, error){p.fs.NetTCP, p.fs.NetTCP6} { //nolint:staticcheck // netlink would be another dependency
		sockets, _ := table() // missing without that protocol
		for _, s := range sockets {
			if s.St == tcpListen && slices.Contains(p.ports, int(s.LocalPort)) {
				files[fmt.Sprintf("socket:[%d]", s.Inode)] = true
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	var pids []int
	for pid := range all {
		if p.holds(pid, files) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// holds reports whether a process has one of the files open.
func (p *Processes) holds(pid int, files map[string]bool) bool {
	process, err := p.fs.Proc(pid)
	if err != nil {
		return false // it ended in between
	}
	open, _ := process.FileDescriptorTargets() // those of other users cannot be read
	return slices.ContainsFunc(open, func(file string) bool { return files[file] })
}

// Figures takes a last sample, with memory, and sums up by name.
func (p *Processes) Figures() []ProcessFigures {
	p.Sample()
	byName, ticks := map[string]*ProcessFigures{}, map[string]uint{}
	for id, u := range p.known {
		f := byName[u.name]
		if f == nil {
			f = &ProcessFigures{Name: u.name}
			byName[u.name] = f
		}
		f.Processes++
		ticks[u.name] += u.last - u.first
		f.CPUSeconds = float64(ticks[u.name]) / TicksPerSecond
		if u.alive {
			f.MemoryMB += float64(p.memory(id.pid)) / (1 << 20)
		}
	}
	all := make([]ProcessFigures, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	return all
}

// Own is what the servers themselves use, without their children: their
// resident memory in bytes, and ticks of CPU so far.
func (p *Processes) Own() (resident int64, ticks uint) {
	all := p.list()
	for _, pid := range p.roots(all) {
		resident += p.resident(pid)
		ticks += all[pid].UTime + all[pid].STime
	}
	return resident, ticks
}

// memory is a process's share of memory in bytes, or its resident memory where
// the kernel does not show the share.
func (p *Processes) memory(pid int) int64 {
	process, err := p.fs.Proc(pid)
	if err != nil {
		return 0
	}
	if rollup, err := process.ProcSMapsRollup(); err == nil && rollup.Pss > 0 {
		return int64(rollup.Pss)
	}
	return p.resident(pid)
}

// resident is the resident memory of a process in bytes; 0 when it cannot be
// read.
func (p *Processes) resident(pid int) int64 {
	process, err := p.fs.Proc(pid)
	if err != nil {
		return 0
	}
	m, err := process.Statm()
	if err != nil {
		return 0
	}
	return int64(m.Resident) * int64(os.Getpagesize())
}

// OwnCPU is what this process has used of the CPUs.
func OwnCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Tool is what this process has cost since it had used that much CPU.
func Tool(before time.Duration) ProcessFigures {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return ProcessFigures{
		Name: "ping load", Processes: 1, CPUSeconds: (OwnCPU() - before).Seconds(),
		MemoryMB: float64(memory.Sys-memory.HeapReleased) / (1 << 20),
	}
}
