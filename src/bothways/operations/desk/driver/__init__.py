"""What drivers do beyond saying a need: wishes, statements, queues, their own data; and guests."""
