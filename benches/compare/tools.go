//go:build tools

package main

// What scripts/compare builds beside this program, so that go.mod pins it.
import (
	_ "sigs.k8s.io/apiserver-network-proxy/cmd/agent"
	_ "sigs.k8s.io/apiserver-network-proxy/cmd/server"
)
