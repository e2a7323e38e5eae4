package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// ConsulSettings says where Consul is and what it is to be shown. It holds
// the contents of files rather than their names, so that it can be sent to
// another host (it encodes with CBOR). It contains secrets: its printed and
// logged forms leave them out. The zero value is not usable by itself; see
// [ConsulConfig].
type ConsulSettings struct {
	// Address is host:port, or unix:///path; http:// and https:// before it
	// are understood. Empty means localhost:8500.
	Address string `cbor:"1,keyasint,omitempty"`
	// Token is the ACL token; empty means Consul's anonymous token.
	Token string `cbor:"2,keyasint,omitempty"`
	// TLS turns HTTPS on, as does an https:// before the address.
	TLS bool `cbor:"3,keyasint,omitempty"`
	// ServerName is the name in Consul's certificate, where it is not the
	// address's.
	ServerName string `cbor:"4,keyasint,omitempty"`
	// CA holds the certificates, in PEM, that Consul's is checked against.
	// Empty means the system's.
	CA []byte `cbor:"5,keyasint,omitempty"`
	// Cert and Key are the client's certificate and key in PEM; both or none.
	Cert []byte `cbor:"6,keyasint,omitempty"`
	Key  []byte `cbor:"7,keyasint,omitempty"`
	// InsecureSkipVerify leaves Consul's certificate unchecked.
	InsecureSkipVerify bool `cbor:"8,keyasint,omitempty"`
	// Namespace, Partition and Datacenter are Consul's; empty means its default.
	Namespace  string `cbor:"9,keyasint,omitempty"`
	Partition  string `cbor:"10,keyasint,omitempty"`
	Datacenter string `cbor:"11,keyasint,omitempty"`
	// User and Password are for HTTP basic authentication; an empty user means none.
	User     string `cbor:"12,keyasint,omitempty"`
	Password string `cbor:"13,keyasint,omitempty"`
}

// ConsulSettingsFromEnv reads the standard variables: CONSUL_HTTP_ADDR,
// CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE (which wins), CONSUL_HTTP_AUTH,
// CONSUL_HTTP_SSL, CONSUL_HTTP_SSL_VERIFY, CONSUL_CACERT, CONSUL_CAPATH,
// CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY, CONSUL_TLS_SERVER_NAME,
// CONSUL_NAMESPACE and CONSUL_PARTITION, and the files that they name. An
// error names the variable.
func ConsulSettingsFromEnv() (ConsulSettings, error) {
	var errs []error
	file := func(name string) []byte {
		path := os.Getenv(name)
		if path == "" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster: %s: %w", name, err))
		}
		return content
	}
	boolean := func(name string, otherwise bool) bool {
		v := os.Getenv(name)
		if v == "" {
			return otherwise
		}
		b, err := strconv.ParseBool(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster: %s is %q: use true or false", name, v))
		}
		return b
	}
	s := ConsulSettings{
		Address:            os.Getenv(api.HTTPAddrEnvName),
		Token:              os.Getenv(api.HTTPTokenEnvName),
		TLS:                boolean(api.HTTPSSLEnvName, false),
		ServerName:         os.Getenv(api.HTTPTLSServerName),
		CA:                 file(api.HTTPCAFile),
		Cert:               file(api.HTTPClientCert),
		Key:                file(api.HTTPClientKey),
		InsecureSkipVerify: !boolean(api.HTTPSSLVerifyEnvName, true),
		Namespace:          os.Getenv(api.HTTPNamespaceEnvName),
		Partition:          os.Getenv(api.HTTPPartitionEnvName),
	}
	if s.Address == "" {
		s.Address = "localhost:8500"
	}
	if token := strings.TrimSpace(string(file(api.HTTPTokenFileEnvName))); token != "" {
		s.Token = token
	}
	s.User, s.Password, _ = strings.Cut(os.Getenv(api.HTTPAuthEnvName), ":")
	if dir := os.Getenv(api.HTTPCAPath); dir != "" && s.CA == nil {
		ca, err := readAll(dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster: %s: %w", api.HTTPCAPath, err))
		}
		s.CA = ca
	}
	if err := errors.Join(errs...); err != nil {
		return ConsulSettings{}, err
	}
	return s, nil
}

// readAll returns the files of a folder, one after the other.
func readAll(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all.Write(content)
		all.WriteByte('\n')
	}
	return all.Bytes(), nil
}

// String returns the settings without secrets.
func (s ConsulSettings) String() string {
	token := "none"
	if s.Token != "" {
		token = "set"
	}
	return fmt.Sprintf("Consul at %s (TLS %t, token %s)", s.Address, s.TLS, token)
}

// GoString returns the same as String.
func (s ConsulSettings) GoString() string { return s.String() }

// LogValue returns the same as String.
func (s ConsulSettings) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s ConsulSettings) isZero() bool {
	return s.Address == "" && s.Token == "" && !s.TLS && s.ServerName == "" && s.CA == nil && s.Cert == nil && s.Key == nil &&
		!s.InsecureSkipVerify && s.Namespace == "" && s.Partition == "" && s.Datacenter == "" && s.User == "" && s.Password == ""
}

// client returns Consul's client on a transport of its own, which the caller
// closes. A unix socket is dialled here, because the library would use
// another transport for it.
func (s ConsulSettings) client() (*api.Client, *http.Transport, error) {
	secure, err := s.tlsConfig()
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: requestTimeout}).DialContext,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: requestTimeout,
		IdleConnTimeout:     time.Minute,
		// Watches each hold a connection; the others are reused.
		MaxIdleConnsPerHost: 4,
	}
	cfg := &api.Config{
		Address: s.Address, Scheme: "http", Token: s.Token, Namespace: s.Namespace, Partition: s.Partition, Datacenter: s.Datacenter,
		Transport: transport, HttpClient: &http.Client{Transport: transport},
	}
	if cfg.Address == "" {
		cfg.Address = "localhost:8500"
	}
	if path, ok := strings.CutPrefix(cfg.Address, "unix://"); ok {
		cfg.Address = "localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: requestTimeout}).DialContext(ctx, "unix", path)
		}
	}
	if s.TLS {
		cfg.Scheme = "https"
	}
	if s.User != "" {
		cfg.HttpAuth = &api.HttpBasicAuth{Username: s.User, Password: s.Password}
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("%w Consul settings: %w", ErrInvalid, err)
	}
	return client, transport, nil
}

func (s ConsulSettings) tlsConfig() (*tls.Config, error) {
	cfg := &tls.Config{ServerName: s.ServerName, InsecureSkipVerify: s.InsecureSkipVerify}
	if len(s.CA) > 0 {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(s.CA) {
			return nil, fmt.Errorf("%w Consul settings: no certificate in PEM form in the CA (CONSUL_CACERT)", ErrInvalid)
		}
	}
	if len(s.Cert) > 0 || len(s.Key) > 0 {
		pair, err := tls.X509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("%w Consul settings: client certificate and key (CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY): %w", ErrInvalid, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
