"""Many processes over NATS JetStream: gateways hold sockets, planners lead sites, and a lease says who leads."""
