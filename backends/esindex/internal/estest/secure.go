package estest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	certFile = "http.crt"
	keyFile  = "http.key"
)

// secure writes a certificate and the password of the superuser to the directory of the configuration.
func (s *Server) secure(ctx context.Context, config string) error {
	ca, cert, key, err := certificates()
	if err != nil {
		return err
	}
	s.CA, s.Username, s.Password = ca, "elastic", rand.Text()
	err = errors.Join(
		os.WriteFile(filepath.Join(config, certFile), cert, 0o600),
		os.WriteFile(filepath.Join(config, keyFile), key, 0o600),
		s.chown(),
	)
	if err != nil {
		return err
	}
	return s.keystore(ctx, s.Password, "add", "--force", "--stdin", "bootstrap.password") // creates the keystore
}

// keystore runs the program elasticsearch-keystore of the distribution, with the given standard input.
func (s *Server) keystore(ctx context.Context, input string, args ...string) error {
	cmd := s.command("elasticsearch-keystore", args...)
	cmd.Stdin = strings.NewReader(input)
	done := make(chan error, 1)
	var out []byte
	go func() {
		var err error
		out, err = cmd.CombinedOutput()
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("elasticsearch-keystore %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// certificates returns a new certificate authority, and a certificate for 127.0.0.1 that it has signed, with its key.
// All are in PEM.
func certificates() (ca, cert, key []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	issuer := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "estest CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, issuer, issuer, caKey.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "estest"},
		NotBefore: issuer.NotBefore, NotAfter: issuer.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, issuer, serverKey.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return nil, nil, nil, err
	}
	return encode("CERTIFICATE", caDER), encode("CERTIFICATE", leafDER), encode("PRIVATE KEY", keyDER), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
