# What a token needs for tlaunch with the Consul registry, and nothing more:
#   consul acl policy create -name tlaunch -rules @consul-policy.hcl

# Register and renew a run's hosts; "write" includes reading them.
service_prefix "tlaunch-" {
  policy = "write"
}

# Consul shows a service's instances only to those who may read their nodes.
node_prefix "" {
  policy = "read"
}

# The run's description, and incarnations that may not come back.
key_prefix "tlaunch/" {
  policy = "write"
}

# A session of the launcher's, with which these keys go when it was killed.
session_prefix "" {
  policy = "write"
}
