//go:build tools

// Package kubernetes pins the API server that scripts/check-on-apiserver builds.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
