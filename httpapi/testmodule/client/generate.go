package client

//go:generate go tool oapi-codegen -config config.yaml -o client.gen.go ../../openapi.json
