#!/bin/sh
exec python /opt/kafka/kafka.py kafka.admin.BrokerApiVersionsCommand "$@"
