package tlaunch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A commandPlace is where a command stands among the others: a function of the
// graph, so every process of a run finds the same.
type commandPlace struct {
	node                             *node
	rank, size, localRank, localSize int
	gpus                             []int // of its host, from 0
	files                            int   // the number of its folder in graph.folders; -1: none
}

// A commandGroup is what the commands of a label are told of each other when
// all hosts are there.
type commandGroup struct {
	Master    string   // the address of rank 0
	Port      int      // that was free there
	Addresses []string // by rank
}

// placeCommands gives every command its place. hosts say how many GPUs they
// have; where one says nothing, it is asked later.
func (g *graph) placeCommands(hosts []Host) {
	g.commands = map[string]*commandPlace{}
	byLabel, byHost, gpus := map[string]int{}, map[string]int{}, map[string]int{} // commands, commands of a label, devices
	for _, n := range g.nodes {
		c, ok := commandOf(n)
		if !ok {
			continue
		}
		at := n.label + " " + n.host
		p := &commandPlace{node: n, rank: n.index, localRank: byHost[at], files: -1}
		byLabel[n.label]++
		byHost[at]++
		for range c.GPUs {
			p.gpus = append(p.gpus, gpus[n.host])
			gpus[n.host]++
		}
		if c.Files != "" {
			if p.files = slices.Index(g.folders, c.Files); p.files < 0 {
				p.files = len(g.folders)
				g.folders = append(g.folders, c.Files)
			}
		}
		g.commands[n.key] = p
	}
	for _, n := range g.nodes {
		p := g.commands[n.key]
		if p == nil {
			if byLabel[n.label] > 0 {
				g.fail("node %s is no command, and others of its label are: give commands a label of their own", n.key)
			}
			continue
		}
		p.size, p.localSize = byLabel[n.label], byHost[n.label+" "+n.host]
	}
	g.gpuBase = map[string]int{}
	base := 0
	for _, h := range hosts {
		if want := gpus[h.Name]; h.GPUs > 0 && want > h.GPUs {
			g.fail("the commands on host %s want %d GPUs, and it has %d (gpus= in the inventory): place fewer of them there", h.Name, want, h.GPUs)
		}
		g.gpuBase[h.Name] = base
		base += max(h.GPUs, gpus[h.Name])
	}
}

// folderPlace is where a folder of commands lies in a host's work folder.
func folderPlace(number int) string { return "files/" + strconv.Itoa(number) }

// filesByHost are the folders that each host needs, by their places.
func (g *graph) filesByHost() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, p := range g.commands {
		if p.files < 0 {
			continue
		}
		if all[p.node.host] == nil {
			all[p.node.host] = map[string]string{}
		}
		all[p.node.host][folderPlace(p.files)] = g.folders[p.files]
	}
	return all
}

// groupCommands tells the commands of each label of each other, by the
// addresses of hosts and the ports that are held for rank 0 of labels.
func (g *graph) groupCommands(address func(host string) string, port func(host, label string) int) map[string]commandGroup {
	groups := map[string]commandGroup{}
	for _, n := range g.nodes { // nodes of a label come by rank
		p := g.commands[n.key]
		if p == nil {
			continue
		}
		group := groups[n.label]
		group.Addresses = append(group.Addresses, address(n.host))
		if p.rank == 0 {
			group.Master, group.Port = address(n.host), port(n.host, n.label)
		}
		groups[n.label] = group
	}
	return groups
}

// variables are what a command is told of its place.
func (p *commandPlace) variables(g commandGroup) []string {
	rank, size, local, localSize := strconv.Itoa(p.rank), strconv.Itoa(p.size), strconv.Itoa(p.localRank), strconv.Itoa(p.localSize)
	return []string{
		"RANK=" + rank, "WORLD_SIZE=" + size, "LOCAL_RANK=" + local, "LOCAL_WORLD_SIZE=" + localSize,
		"MASTER_ADDR=" + g.Master, fmt.Sprintf("MASTER_PORT=%d", g.Port),
		"TLAUNCH_RANK=" + rank, "TLAUNCH_WORLD_SIZE=" + size, "TLAUNCH_LOCAL_RANK=" + local,
		"TLAUNCH_GROUP=" + strings.Join(g.Addresses, ","),
	}
}

// marks are what only the processes of a command have in their environment.
func (p *commandPlace) marks(run string) []string {
	return []string{"TLAUNCH_RUN=" + run, "TLAUNCH_NODE=" + p.node.key}
}
