"""What one may ask of jobs and queues, and what they answer."""
