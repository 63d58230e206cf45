"""What tests share: endpoints, servers, browsers, made-up results."""
