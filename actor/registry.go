package actor

import (
	protoactor "github.com/asynkron/protoactor-go/actor"
	cmap "github.com/orcaman/concurrent-map"
)

// smallRegistry is how many concurrent maps, of 32 parts each, hold the processes of a small registry.
const smallRegistry = 16

// newActors starts a Proto.Actor system. Its registry consists of 32768 maps, which take 3 MB and 3 ms: more than all else that a host's
// process does before its nodes start. Where alone says that nothing else in the process uses such maps meanwhile, it gets 512.
func newActors(alone bool, options ...protoactor.ConfigOption) *protoactor.ActorSystem {
	if !alone {
		return protoactor.NewActorSystem(options...)
	}
	parts := cmap.SHARD_COUNT
	cmap.SHARD_COUNT = 1 // the library has no other way; every map looks at it with each access
	system := protoactor.NewActorSystem(options...)
	first := map[string]any{}
	for _, m := range system.ProcessRegistry.LocalPIDs.LocalPIDs {
		m.IterCb(func(id string, process any) { first[id] = process })
	}
	cmap.SHARD_COUNT = parts
	small := &protoactor.SliceMap{LocalPIDs: make([]cmap.ConcurrentMap, smallRegistry)}
	for i := range small.LocalPIDs {
		small.LocalPIDs[i] = cmap.New()
	}
	for id, process := range first {
		small.GetBucket(id).Set(id, process)
	}
	system.ProcessRegistry.LocalPIDs = small
	return system
}
