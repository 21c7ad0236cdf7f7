package load

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ProcessFigures is what the processes of one name cost between begin and
// the last sample.
type ProcessFigures struct {
	Name       string  `json:"name"`
	Processes  int     `json:"processes"` // seen in all, restarted ones too
	CPUSeconds float64 `json:"cpu_seconds"`
	// MemoryMB is the memory of those alive at the last sample; what several
	// share counts once, where the kernel lets it be seen.
	MemoryMB float64 `json:"memory_mb"`
}

// processes measures servers through /proc: those that are named or that
// listen on the servers' ports, and all their descendants. Elsewhere than on
// Linux there is nothing to see. It is used by one goroutine at a time.
type processes struct {
	named []int
	ports []int
	root  string // /proc
	begun uint64 // in ticks since the machine started
	known map[processID]*usage
	found []processID // the listeners, as of the last look
}

// processID tells a process from a later one with the same number.
type processID struct {
	pid     int
	started uint64 // in ticks since the machine started
}

type usage struct {
	name        string
	first, last uint64 // ticks of CPU
	alive       bool
}

// ticksPerSecond is Linux's USER_HZ, the same on all machines that Go runs on.
const ticksPerSecond = 100

func newProcesses(cfg Config) *processes {
	p := &processes{named: cfg.ServerPIDs, root: "/proc", known: map[processID]*usage{}}
	if len(p.named) > 0 {
		return p
	}
	for _, raw := range cfg.URLs {
		if u, err := url.Parse(hostURL(raw)); err == nil {
			if port, err := strconv.Atoi(u.Port()); err == nil {
				p.ports = append(p.ports, port)
			}
		}
	}
	return p
}

// hostURL is a URL with its port, given or not.
func hostURL(raw string) string { return "http://" + hostPort(raw) }

// begin counts from now on.
func (p *processes) begin() {
	if uptime, err := os.ReadFile(filepath.Join(p.root, "uptime")); err == nil {
		var seconds float64
		if _, err := fmt.Sscan(string(uptime), &seconds); err == nil {
			p.begun = uint64(seconds * ticksPerSecond)
		}
	}
	p.sample()
}

// status is a line of /proc/<pid>/stat.
type status struct {
	id     processID
	name   string
	parent int
	ticks  uint64
}

// sample looks at all processes. What a process uses after the last sample
// that saw it alive is not counted.
func (p *processes) sample() {
	all := p.list()
	wanted := map[int]bool{}
	for _, pid := range p.roots(all) {
		wanted[pid] = true
	}
	for id, u := range p.known {
		u.alive = false
		wanted[id.pid] = wanted[id.pid] || all[id.pid].id == id
	}
	own := os.Getpid()
	for pid, s := range all {
		if pid != own && p.descends(all, wanted, pid) {
			p.see(s)
		}
	}
}

// descends reports whether pid or one of its ancestors is wanted.
func (p *processes) descends(all map[int]status, wanted map[int]bool, pid int) bool {
	for range 64 { // an end, though the process table changes while it is read
		if wanted[pid] {
			return true
		}
		s, there := all[pid]
		if !there || s.parent <= 1 {
			return false
		}
		pid = s.parent
	}
	return false
}

func (p *processes) see(s status) {
	u := p.known[s.id]
	if u == nil {
		u = &usage{}
		if s.id.started < p.begun || p.begun == 0 {
			u.first = s.ticks // what it did before does not count
		}
		p.known[s.id] = u
	}
	u.name, u.last, u.alive = s.name, s.ticks, true
}

// list reads the status of every process.
func (p *processes) list() map[int]status {
	entries, _ := os.ReadDir(p.root) // without /proc there is nothing to measure
	all := make(map[int]status, len(entries))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join(p.root, e.Name(), "stat"))
		if err != nil {
			continue // it ended in between
		}
		if s, ok := parseStatus(pid, line); ok {
			all[pid] = s
		}
	}
	return all
}

// parseStatus reads proc_pid_stat(5). The name is in parentheses and may hold
// anything, so the fields are counted from the last one.
func parseStatus(pid int, line []byte) (status, bool) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return status{}, false
	}
	fields := strings.Fields(string(line[end+1:]))
	if len(fields) < 20 {
		return status{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	user, err2 := strconv.ParseUint(fields[11], 10, 64)
	system, err3 := strconv.ParseUint(fields[12], 10, 64)
	started, err4 := strconv.ParseUint(fields[19], 10, 64)
	if cmp.Or(err1, err2, err3, err4) != nil {
		return status{}, false
	}
	return status{id: processID{pid, started}, name: string(line[open+1 : end]), parent: parent, ticks: user + system}, true
}

// roots are the processes named, or else the listeners on the ports. These
// are looked for again only when one of them has ended, for that takes a look
// at every open file of the machine.
func (p *processes) roots(all map[int]status) []int {
	if len(p.named) > 0 {
		return p.named
	}
	var alive []int
	for _, id := range p.found {
		if all[id.pid].id == id {
			alive = append(alive, id.pid)
		}
	}
	if len(alive) >= max(len(p.ports), len(p.found)) {
		return alive
	}
	pids := p.listeners()
	p.found = p.found[:0]
	for _, pid := range pids {
		p.found = append(p.found, all[pid].id)
	}
	return pids
}

// listeners are the processes that listen on the ports.
func (p *processes) listeners() []int {
	inodes := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		text, _ := os.ReadFile(filepath.Join(p.root, table)) // absent without that protocol
		for _, line := range strings.Split(string(text), "\n") {
			fields := strings.Fields(line)
			if len(fields) > 9 && fields[3] == "0A" && p.listens(fields[1]) { // 0A is LISTEN
				inodes["socket:["+fields[9]+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return nil
	}
	return p.holders(inodes)
}

// listens reports whether an address such as 0100007F:1F90 has one of the ports.
func (p *processes) listens(address string) bool {
	_, port, _ := strings.Cut(address, ":")
	n, err := strconv.ParseInt(port, 16, 32)
	return err == nil && slices.Contains(p.ports, int(n))
}

// holders are the processes that have one of the files open.
func (p *processes) holders(files map[string]bool) (pids []int) {
	links, _ := filepath.Glob(filepath.Join(p.root, "[0-9]*", "fd", "*")) // the pattern is well formed
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && files[target] {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link)))) // the pattern has digits there
			pids = append(pids, pid)
		}
	}
	return pids
}

// figures takes a last sample, with memory, and sums up by name.
func (p *processes) figures() []ProcessFigures {
	p.sample()
	byName, ticks := map[string]*ProcessFigures{}, map[string]uint64{}
	for id, u := range p.known {
		f := byName[u.name]
		if f == nil {
			f = &ProcessFigures{Name: u.name}
			byName[u.name] = f
		}
		f.Processes++
		ticks[u.name] += u.last - u.first
		f.CPUSeconds = float64(ticks[u.name]) / ticksPerSecond
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

// own is what the servers themselves use, without their children: their memory
// in bytes, as the kernel counts it as resident, and ticks of CPU so far.
func (p *processes) own() (resident int64, ticks uint64) {
	all := p.list()
	for _, pid := range p.roots(all) {
		resident += p.resident(pid)
		ticks += all[pid].ticks
	}
	return resident, ticks
}

// memory is a process's share of memory in bytes, or all that it has mapped
// in where its share cannot be seen.
func (p *processes) memory(pid int) int64 {
	folder := filepath.Join(p.root, strconv.Itoa(pid))
	if text, err := os.ReadFile(filepath.Join(folder, "smaps_rollup")); err == nil {
		for _, line := range strings.Split(string(text), "\n") {
			var kilobytes int64
			if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kilobytes); n == 1 {
				return kilobytes << 10
			}
		}
	}
	return p.resident(pid)
}

// resident is all that a process has mapped in, in bytes; 0 when it cannot be
// read.
func (p *processes) resident(pid int) int64 {
	folder := filepath.Join(p.root, strconv.Itoa(pid))
	var size, resident int64
	if text, err := os.ReadFile(filepath.Join(folder, "statm")); err == nil {
		_, _ = fmt.Sscan(string(text), &size, &resident) // 0 when it cannot be read
	}
	return resident * int64(os.Getpagesize())
}
