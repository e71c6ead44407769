package mesh

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
)

// The library's own Start is not used. It assigns gRPC's global logger, which
// races with every connection that another mesh of this process has (gRPC's
// documentation asks for it to be set before any use), throws away what others
// log there, and opens the port itself, so that one that is taken is a panic and
// one that was chosen is not known in time. Therefore its other steps are taken
// here. They are not exported; the library has been the same since 2024, and
// where a later version differs this does not link, or Start returns an error.

type (
	endpointManager struct{}
	endpointReader  struct{}
)

//go:linkname newEndpointManager github.com/asynkron/protoactor-go/remote.newEndpointManager
func newEndpointManager(*remote.Remote) *endpointManager

//go:linkname startEndpointManager github.com/asynkron/protoactor-go/remote.(*endpointManager).start
func startEndpointManager(*endpointManager)

//go:linkname newEndpointReader github.com/asynkron/protoactor-go/remote.newEndpointReader
func newEndpointReader(*remote.Remote) *endpointReader

// startRemote makes the system known as addr and returns its remote, which sends
// from now on, with the service that is to be served at addr.
func startRemote(system *actor.ActorSystem, addr string, config *remote.Config) (r *remote.Remote, service remote.RemotingServer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("start mesh: %v", p)
		}
	}()
	r = remote.NewRemote(system, config)
	system.ProcessRegistry.Address = addr

	manager := newEndpointManager(r)
	field := reflect.ValueOf(r).Elem().FieldByName("edpManager")
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().
		Set(reflect.NewAt(field.Type().Elem(), unsafe.Pointer(manager)))
	startEndpointManager(manager)

	reader := reflect.ValueOf(r).Elem().FieldByName("edpReader").Type().Elem()
	service = reflect.NewAt(reader, unsafe.Pointer(newEndpointReader(r))).Interface().(remote.RemotingServer)
	return r, service, nil
}

// stopActors ends the library's actors, once all connections have ended. Its own
// Shutdown would change what the goroutines of connections read.
func stopActors(system *actor.ActorSystem) {
	for _, name := range []string{"EndpointSupervisor", "activator"} {
		_ = system.Root.StopFuture(system.NewLocalPID(name)).Wait()
	}
	system.Shutdown()
}
