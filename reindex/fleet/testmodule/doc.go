// Package testmodule shows how a host mounts River's own page over the queue of a fleet, and tests it. It is a module
// of its own so that nothing of that page is needed by whoever needs the fleet.
package testmodule
