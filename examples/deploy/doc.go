// Package deploy holds no code. Its files run and watch the server of the folder beside it: a Dockerfile, a compose
// file, what Prometheus scrapes and alerts on, and a dashboard for Grafana. Its tests hold them against the real
// server, a real Prometheus and each other.
package deploy
