// Package deploy has no code. Its files deploy and monitor the example server: a Dockerfile, a compose file, the
// configuration and alerts of Prometheus, and a dashboard for Grafana. Its tests check them against the real server and
// a real Prometheus.
package deploy
